"""The world of the demo: its database, its people, its exchange and its bots."""

import secrets
from collections.abc import Callable, Iterable
from decimal import Decimal

from django.contrib.auth import get_user_model
from django.core.management import call_command

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.demo.bots import Bot, BotSpec
from reconciliation.demo.market import BTC, ETH, START_PRICES
from reconciliation.demo.plans import OPENING, make_random
from reconciliation.demo.resume import restore_exchange, unattended_trades
from reconciliation.domain.audit import Actor, system_actor
from reconciliation.domain.deliveries import Delivery
from reconciliation.enums import ActorType, PositionMode
from reconciliation.exchange.credentials import API_KEY, BASE_URL, PASSWORD, SECRET
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.handlers.accounts import create_account, create_profile
from reconciliation.handlers.deliveries import RowReport, deliver
from reconciliation.models import ExchangeAccount, Profile, Trade

ACCOUNT = "main"
CREDENTIAL_PREFIX = "PAPER_MAIN"
USER = "demo"
SPECS = (
    BotSpec(
        profile="trend",
        sub_tag="trend01",
        allocated_capital_usd=Decimal(250_000),
        symbols=(BTC, ETH),
    ),
    BotSpec(
        profile="revert",
        sub_tag="revert01",
        allocated_capital_usd=Decimal(150_000),
        symbols=(ETH, BTC),
    ),
)
BALANCES = {"USDT": Decimal(400_000)}
SET_UP = system_actor("demo")
TRADING_SYSTEM = Actor(type=ActorType.BOT, id="demo", name="demo trading system")


def prepare_database(*, conf: Conf, clock: Clock) -> None:
    """Migrate the database, and create what is not there yet: the account and its profiles."""
    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
    account = ExchangeAccount.objects.filter(name=ACCOUNT).first()
    if account is None:
        account = create_account(
            name=ACCOUNT,
            exchange_id="okx",
            credential_prefix=CREDENTIAL_PREFIX,
            position_mode=PositionMode.NET,
            # The exchange is on this machine and has no limit to keep to.
            options={"pace": 0},
            actor=SET_UP,
            clock=clock,
            conf=conf,
        )
    known = set(Profile.objects.values_list("name", flat=True))
    for spec in SPECS:
        if spec.profile not in known:
            create_profile(
                name=spec.profile,
                account_id=account.pk,
                sub_tag=spec.sub_tag,
                allocated_capital_usd=spec.allocated_capital_usd,
                actor=SET_UP,
                clock=clock,
                conf=conf,
            )


def make_user() -> str:
    """Give the demo's user a new password and return it: it is kept as a hash only."""
    password = secrets.token_urlsafe(9)
    users = get_user_model().objects
    user, _ = users.get_or_create(username=USER, defaults={"is_staff": True, "is_superuser": True})
    user.set_password(password)
    user.save(update_fields=["password"])
    return password


def make_exchange(clock: Clock) -> PaperExchange:
    """Return the paper exchange, not started, as the books of the last demo left it."""
    paper = PaperAccount(
        ACCOUNT,
        api_key=secrets.token_hex(16),
        secret=secrets.token_hex(32),
        passphrase=secrets.token_hex(16),
    )
    exchange = PaperExchange([paper], clock.now)
    for symbol, price in START_PRICES.items():
        paper.set_mark(symbol, price)
    paper.set_balances(BALANCES)
    restore_exchange(paper)
    return exchange


def exchange_environ(exchange: PaperExchange) -> dict[str, str]:
    """Return the settings by which a gateway reaches the exchange; they never leave the process."""
    paper = exchange.accounts[ACCOUNT]
    return {
        CREDENTIAL_PREFIX + API_KEY: paper.api_key,
        CREDENTIAL_PREFIX + SECRET: paper.secret,
        CREDENTIAL_PREFIX + PASSWORD: paper.passphrase,
        CREDENTIAL_PREFIX + BASE_URL: exchange.url(ACCOUNT),
    }


def make_bots(
    exchange: PaperExchange,
    *,
    seed: int,
    patience: int,
    conf: Conf,
    clock: Clock,
    on_refused: Callable[[Iterable[RowReport]], None],
) -> list[Bot]:
    """Return the bots; the same seed makes them do the same in a fresh database."""

    def hand_in(delivery: Delivery) -> None:
        report = deliver(delivery=delivery, actor=TRADING_SYSTEM, clock=clock, conf=conf)
        on_refused(report.refused)

    bots = []
    for number, spec in enumerate(SPECS):
        bot = Bot(
            spec=spec,
            exchange=exchange.accounts[ACCOUNT],
            deliver=hand_in,
            random=make_random(f"{seed}:{spec.profile}"),
            patience=patience,
            trades_before=Trade.objects.filter(profile__name=spec.profile).count(),
            opening=OPENING[number :: len(SPECS)],
        )
        bot.take_over(unattended_trades(spec))
        bots.append(bot)
    return bots
