"""The demo's world at high speed: bots over the API, the exchange over HTTP, the real cycle."""

from collections import defaultdict
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django_q.models import Schedule

from reconciliation.conf import Conf
from reconciliation.demo import setup
from reconciliation.demo.accounts import ACCOUNTS, ALL_ACCOUNTS, ALL_SPECS, SOL, SPECS
from reconciliation.demo.drift import DRIFTS, Drift
from reconciliation.demo.people import USER, people_text
from reconciliation.demo.report import RunWatch, claims_of_the_dead, run_text
from reconciliation.demo.resume import unattended_trades
from reconciliation.demo.world import ENOUGH_TO_DECIDE
from reconciliation.domain.audit import verify
from reconciliation.enums import (
    Direction,
    MismatchKind,
    MismatchStatus,
    Role,
    RunStatus,
    TradeStatus,
)
from reconciliation.models import ApiKey, ExchangeAccount, Mismatch, Order, Profile, Run, Trade
from reconciliation.selectors.audit import ChainReader
from tests.builders import FixedClock, make_account, make_external_order, make_mismatch, make_run
from tests.demo.conftest import StartDemo
from tests.demo.worlds import INTERVAL, PATIENCE, Demo, OnRequest

pytestmark = pytest.mark.django_db
Held = dict[tuple[str, str, str], Decimal]


def held_by_trades() -> Held:
    """Return what open trades hold by account, symbol and side, as the exchange sums it."""
    held: Held = defaultdict(Decimal)
    for trade in Trade.objects.select_related("account"):
        left = trade.entry_quantity - trade.exit_quantity
        hedged = trade.account.position_mode == "hedge"
        side = trade.direction if hedged else "net"
        if ":" in trade.symbol:
            signed = left if trade.direction == Direction.LONG else -left
            held[trade.account.name, trade.symbol, side] += signed
    return {key: quantity for key, quantity in held.items() if quantity}


def held_at_exchange(demo: Demo) -> Held:
    return {
        (name, each.symbol, each.side): each.signed
        for name, paper in demo.exchange.accounts.items()
        for each in paper.positions()
        if each.signed and each.symbol != SOL
    }


def open_mismatches() -> list[Mismatch]:
    return list(Mismatch.objects.exclude(status=MismatchStatus.RESOLVED))


def find_drift(name: str) -> Drift:
    return next(drift for drift in DRIFTS if drift.name == name)


def chain_is_intact() -> bool:
    reader = ChainReader()
    return verify(reader.rows(), head=reader.head).intact


def test_what_goes_wrong_is_found_and_repaired(start: StartDemo) -> None:
    demo = start()

    demo.run(120)

    kinds = set(Mismatch.objects.values_list("kind", flat=True))
    assert {MismatchKind.MISSING_FROM_EXCHANGE, MismatchKind.QUANTITY_MISMATCH} <= kinds
    assert {row.profile.name for row in Mismatch.objects.exclude(profile=None)} == {
        spec.profile for spec in SPECS
    }
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.SUCCEEDED}
    assert {TradeStatus.OPEN, TradeStatus.CLOSED} <= set(
        Trade.objects.values_list("status", flat=True)
    )
    assert demo.said("drift, ")
    assert demo.said("refused") == []
    assert chain_is_intact()


def test_a_restart_goes_on_with_the_books_of_the_demo_before(start: StartDemo) -> None:
    start().run(53)
    at_work = set(Order.objects.active().values_list("pk", flat=True))
    open_before = set(Trade.objects.filter(status=TradeStatus.OPEN).values_list("pk", flat=True))
    assert {order.account.name for order in Order.objects.filter(pk__in=at_work)} == {
        spec.name for spec in ACCOUNTS
    }
    assert open_before

    demo = start(OnRequest)
    demo.run(INTERVAL)
    demo.come_to_rest()

    # The exchange has canceled what was at work; the fills it shows are the ones it showed.
    assert not at_work & set(Order.objects.active().values_list("pk", flat=True))

    demo.run(7 * INTERVAL)

    assert not Trade.objects.filter(pk__in=open_before, status=TradeStatus.OPEN).exists()
    assert {each.symbol for each in open_mismatches()} <= {SOL}
    demo.come_to_rest()
    assert held_by_trades() == held_at_exchange(demo)
    assert demo.said("refused") == []
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.SUCCEEDED}


def test_a_trade_that_was_closed_by_hand_before_a_restart_is_heard_of_after_it(
    start: StartDemo,
) -> None:
    demo = start(OnRequest)
    demo.run(INTERVAL)
    while not any(bot.closings for bot in demo.world.bots.values()):
        demo.world.injector.make(find_drift("closed by hand"))
        demo.run(1)
    (closing,) = (each for bot in demo.world.bots.values() for each in bot.closings)
    demo.come_to_rest()
    trade = Trade.objects.get(trade_id=closing.trade.trade_id)
    assert trade.status == TradeStatus.OPEN

    start(OnRequest).run(PATIENCE + 2)

    trade.refresh_from_db()
    assert trade.status == TradeStatus.CLOSED
    assert trade.history.filter(kind="EXIT", exchange_fill_id=closing.fill.fill_id).count() == 1


def test_a_bot_that_restarts_leaves_nothing_open_and_reuses_no_trade_id(start: StartDemo) -> None:
    demo = start(OnRequest)
    demo.run(33)
    before = set(Trade.objects.values_list("pk", flat=True))
    for _ in SPECS:
        demo.world.restart_a_bot()

    demo.run(8 * INTERVAL)

    assert demo.said("has forgotten its orders and trades")
    assert not Trade.objects.filter(pk__in=before, status=TradeStatus.OPEN).exists()
    demo.come_to_rest()
    assert open_mismatches() == []
    assert held_by_trades() == held_at_exchange(demo)
    assert demo.said("refused") == []


def test_a_bot_takes_over_no_trade_of_which_fills_may_still_be_unbooked(start: StartDemo) -> None:
    demo = start(OnRequest)
    demo.run(INTERVAL)
    demo.come_to_rest()
    spec = SPECS[0]
    trade = Trade.objects.filter(profile__name=spec.profile, status=TradeStatus.OPEN).first()
    while trade is None or trade.orders.active().exists():
        demo.run(1)
        trade = Trade.objects.filter(profile__name=spec.profile, status=TradeStatus.OPEN).last()

    assert trade.trade_id not in {each.trade_id for each in unattended_trades(spec)}

    demo.come_to_rest()
    assert trade.trade_id in {each.trade_id for each in unattended_trades(spec)}


def test_bots_go_on_while_the_web_is_away_and_deliver_it_all_later(start: StartDemo) -> None:
    demo = start(OnRequest)
    demo.run(5)
    demo.web_is_up = False
    orders = Order.objects.count()
    for _ in range(10):
        demo.clock.advance(seconds=1)
        demo.world.tick()
    assert Order.objects.count() == orders
    assert not all(post.is_empty for post in demo.world.posts.values())

    demo.web_is_up = True
    for _ in range(30):
        demo.clock.advance(seconds=1)
        demo.world.tick()

    assert all(post.is_empty for post in demo.world.posts.values())
    at_exchange = sum(len(paper.orders()) for paper in demo.exchange.accounts.values())
    assert Order.objects.count() == at_exchange
    assert demo.said("refused") == []


def test_what_a_person_must_decide_does_not_pile_up(start: StartDemo) -> None:
    demo = start(OnRequest)
    run = make_run(account=ExchangeAccount.objects.get(name="main"))
    for _ in range(ENOUGH_TO_DECIDE):
        make_mismatch(run, kind=MismatchKind.UNATTRIBUTED_FILL)
        make_external_order(account=run.account)

    assert not demo.world.injector.make(find_drift("trade by hand"))
    assert not demo.world.injector.make(find_drift("order by hand"))


def test_a_second_start_creates_nothing_twice_but_the_keys(conf: Conf) -> None:
    clock = FixedClock()
    keys = []
    for _ in range(2):
        setup.prepare_database(conf=conf, clock=clock)
        keys.append(setup.rotate_keys(conf=conf, clock=clock))

    assert ExchangeAccount.objects.count() == len(ALL_ACCOUNTS)
    assert Profile.objects.count() == len(ALL_SPECS)
    assert set(Schedule.objects.values_list("name", flat=True)) == {
        "reconcile",
        "heartbeat",
        "watch",
        "verify_audit",
        "checkpoint_audit",
    }
    valid = ApiKey.objects.filter(revoked_at__isnull=True)
    assert {key.name for key in valid} == {f"{spec.profile}-bot-2" for spec in ALL_SPECS}
    assert not set(keys[0].values()) & set(keys[1].values())


def test_people_have_new_passwords_at_every_start_and_only_their_hashes_are_kept() -> None:
    first, second = setup.make_people(), setup.make_people()

    assert list(second) == [USER, *(role.lower() for role in Role)]
    for name, password in second.items():
        user = get_user_model().objects.get(username=name)
        assert user.check_password(password)
        assert not user.check_password(first[name])
        assert user.is_staff
        assert user.is_superuser == (name == USER)
        assert [group.name.lower() for group in user.groups.all()] == [name] * (name != USER)


def test_each_person_is_told_with_password_and_purpose() -> None:
    text = people_text({USER: "one", "viewer": "two"}).splitlines()

    assert [line.split()[:2] for line in text] == [
        ["User", "Password"],
        [USER, "one"],
        ["viewer", "two"],
    ]


def test_each_run_that_finishes_is_told_once_in_words(start: StartDemo) -> None:
    demo = start(OnRequest)
    watch = RunWatch()
    assert list(watch.lines()) == []

    demo.cycle()

    lines = list(watch.lines())
    assert [line.split(":")[0] for line in lines] == [spec.name for spec in ACCOUNTS]
    assert all("SUCCEEDED; nothing to repair; open: nothing" in line for line in lines)
    assert list(watch.lines()) == []


def test_a_run_that_fails_is_told_with_its_reason(start: StartDemo) -> None:
    demo = start(OnRequest)
    demo.exchange.stop()

    demo.cycle()

    assert "FAILED, nothing was changed: " in run_text(Run.objects.latest("pk"))
    demo.exchange.start()


def test_a_run_that_a_killed_demo_left_is_told_and_then_taken_over() -> None:
    run = make_run(account=make_account(name="main"), status=RunStatus.RUNNING)
    watch = RunWatch()

    (line,) = claims_of_the_dead()

    assert f"run {run.pk} of a demo that was killed holds the account until" in line
    assert list(watch.lines()) == []
