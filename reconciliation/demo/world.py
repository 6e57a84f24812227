"""The world outside the portal: an exchange, bots that trade on it, and what goes wrong."""

from collections.abc import Callable, Mapping

from reconciliation.demo.accounts import ACCOUNTS, ALL_SPECS, CASE_SPECS, MAIN, SPECS, BotSpec
from reconciliation.demo.acts import Stage
from reconciliation.demo.bots import Bot, Closing
from reconciliation.demo.desk import Desk
from reconciliation.demo.injector import Injector
from reconciliation.demo.market import Prices
from reconciliation.demo.plans import make_random
from reconciliation.demo.player import CasePlayer
from reconciliation.demo.post import Post, Send
from reconciliation.demo.resume import (
    highest_trade_number,
    restore_exchange,
    unattended_trades,
    unheard_exits,
)
from reconciliation.demo.strangers import Strangers
from reconciliation.demo.swing import Swing
from reconciliation.demo.weather import FIRST_KILL, FIRST_RESTART, Outages, Recurring
from reconciliation.enums import ExternalStatus, MismatchKind, MismatchStatus
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.models import ExternalOrder, Mismatch

# Orders, or fills, of nobody that wait for a person: with as many the demo makes no more.
ENOUGH_TO_DECIDE = 4
# How often bots look for open trades that an earlier life of theirs left behind.
TAKE_OVER_EVERY = 30


class World:
    """Everything that happens outside the portal; a second passes with each `tick`.

    The same seed makes the same happen in a fresh database. `patience` is for how many seconds a
    bot goes on without a message that it missed; `kill_workers` ends the portal's workers. Without
    cases there are only the bots and their drifts.
    """

    def __init__(
        self,
        *,
        exchange: PaperExchange,
        seed: int,
        patience: int,
        send: Send,
        keys: Mapping[str, str],
        say: Callable[[str], None],
        kill_workers: Callable[[], bool],
        injector: Callable[..., Injector] = Injector,
        with_cases: bool = True,
    ) -> None:
        self.exchange = exchange
        for paper in exchange.accounts.values():
            restore_exchange(paper)
        self._seed = seed
        self._patience = patience
        self._say = say
        self._kill_workers = kill_workers
        self._random = make_random(f"{seed}:world")
        self._seconds = 0
        self.posts = {
            spec.profile: Post(
                account=spec.account,
                key=keys[spec.profile],
                send=send,
                random=self._random,
                say=say,
            )
            for spec in ALL_SPECS
        }
        self._prices = [
            Prices(paper, make_random(f"{seed}:prices:{name}"))
            for name, paper in exchange.accounts.items()
            if name in {spec.name for spec in ACCOUNTS}
        ]
        self._strangers = Strangers(
            exchange.accounts[MAIN.name],
            enough_orders=enough_orders_to_decide,
            enough_fills=enough_fills_to_decide,
        )
        self.injector = injector(stage=self._stage, say=say)
        self.bots = {
            spec.profile: self._make_bot(
                spec,
                trades_before=highest_trade_number(spec),
                closings=[Closing(trade, fill, patience) for trade, fill in unheard_exits(spec)],
            )
            for spec in SPECS
        }
        self._plays = self._make_plays() if with_cases else ()
        self._outages = Outages(
            faults=exchange.faults,
            accounts=[spec.name for spec in ACCOUNTS],
            random=self._random,
            say=say,
        )
        self._restarts = [
            Recurring(self.restart_a_bot, first=FIRST_RESTART, random=self._random),
            Recurring(self.kill_workers, first=FIRST_KILL, random=self._random),
        ]

    def tick(self) -> None:
        """Let a second pass."""
        for prices in self._prices:
            prices.tick()
        self._strangers.tick()
        self.injector.tick()
        for profile, bot in self.bots.items():
            # What is not delivered yet, the portal takes for open.
            if self._seconds % TAKE_OVER_EVERY == 0 and self.posts[profile].is_empty:
                bot.take_over(unattended_trades(bot.spec))
            bot.tick()
            self.posts[profile].tick()
        self.tick_cases()
        self._seconds += 1

    def tick_cases(self) -> None:
        """Let a second pass on the accounts of the cases alone."""
        for play in self._plays:
            play.tick()
        for spec in CASE_SPECS:
            self.posts[spec.profile].tick()

    def weather(self) -> None:
        """Let a second pass for what breaks now and then."""
        self._outages.tick()
        for each in self._restarts:
            each.tick()

    def restart_a_bot(self) -> None:
        """Let a bot lose its memory: what it had at work is canceled, what it holds is closed."""
        spec = self._random.choice(SPECS)
        old = self.bots[spec.profile]
        old.stop()
        self._say(f"restart: the bot of {spec.profile} has forgotten its orders and trades")
        self.bots[spec.profile] = self._make_bot(
            spec, trades_before=old.trades_made, closings=old.closings
        )

    def kill_workers(self) -> None:
        """Kill the portal's workers; whoever supervises them starts them again."""
        if self._kill_workers():
            self._say("restart: the portal's workers were killed (SIGKILL) and are started again")

    def _make_bot(self, spec: BotSpec, *, trades_before: int, closings: list[Closing]) -> Bot:
        bot = Bot(
            spec=spec,
            exchange=self.exchange.accounts[spec.account],
            deliver=self.posts[spec.profile].deliver,
            random=make_random(f"{self._seed}:{spec.profile}:{trades_before}"),
            patience=self._patience,
            trades_before=trades_before,
            begins=self.injector.begins,
        )
        bot.hear_of(closings)
        return bot

    def _make_plays(self) -> tuple[CasePlayer | Swing, ...]:
        desks = {
            spec.profile: Desk(
                spec=spec,
                exchange=self.exchange.accounts[spec.account],
                deliver=self.posts[spec.profile].deliver,
            )
            for spec in CASE_SPECS
        }
        swing = desks["swing"]
        return (
            CasePlayer(desks=desks, faults=self.exchange.faults, say=self._say),
            Swing(desk=swing, trades_before=highest_trade_number(swing.spec), say=self._say),
        )

    def _stage(self) -> Stage:
        return Stage(bots=list(self.bots.values()), strangers=self._strangers, random=self._random)


def enough_orders_to_decide() -> bool:
    """Return whether as many orders of nobody wait for a person as the demo makes."""
    return ExternalOrder.objects.filter(status=ExternalStatus.PENDING).count() >= ENOUGH_TO_DECIDE


def enough_fills_to_decide() -> bool:
    """Return whether as many fills of nobody wait for a person as the demo makes."""
    fills = Mismatch.objects.filter(kind=MismatchKind.UNATTRIBUTED_FILL, status=MismatchStatus.OPEN)
    return fills.count() >= ENOUGH_TO_DECIDE
