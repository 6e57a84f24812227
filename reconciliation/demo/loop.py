"""The demo's main loop: the bots trade every second, the portal reconciles every interval."""

import logging
from collections.abc import Callable, Iterable, Sequence

from reconciliation.clock import Clock
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_accounts
from reconciliation.demo.bots import Bot
from reconciliation.demo.market import Prices
from reconciliation.demo.report import ChainWatch, cycle_text, some
from reconciliation.demo.resume import unattended_trades
from reconciliation.demo.stopping import Stop
from reconciliation.enums import RunStatus
from reconciliation.handlers.deliveries import RowReport

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
# How often bots look for open trades that an earlier demo left behind.
TAKE_OVER_EVERY = 30


class Refusals:
    """Rows of the bots that the portal did not take: there should be none."""

    def __init__(self) -> None:
        self.rows: list[RowReport] = []

    def add(self, rows: Iterable[RowReport]) -> None:
        """Note rows."""
        self.rows += rows


class Loop:
    """Ticks and cycles in one thread: nothing waits for a lock of its own process."""

    def __init__(
        self,
        *,
        ports: Ports,
        prices: Prices,
        bots: Sequence[Bot],
        refusals: Refusals,
        interval: float,
        say: Callable[[str], None],
    ) -> None:
        self.cycles = 0
        self.repaired = 0
        self._ports = ports
        self._prices = prices
        self._bots = bots
        self._refusals = refusals
        self._interval = interval
        self._say = say
        self._chain = ChainWatch(ports.clock.monotonic)
        self._ticks = 0

    def run(self, stop: Stop) -> None:
        """Go on until it is asked to stop."""
        clock = self._ports.clock
        next_tick = next_cycle = clock.monotonic()
        while not stop.requested:
            if clock.monotonic() >= next_tick:
                self.tick()
                next_tick = _next(next_tick, TICK_SECONDS, clock)
            if clock.monotonic() >= next_cycle:
                self.cycle()
                next_cycle = _next(next_cycle, self._interval, clock)
            stop.wait(min(next_tick, next_cycle) - clock.monotonic())

    def tick(self) -> None:
        """Let a second pass at the exchange and among the bots."""
        self._ticks += 1
        self._prices.tick()
        for bot in self._bots:
            if self._ticks % TAKE_OVER_EVERY == 0:
                bot.take_over(unattended_trades(bot.spec))
            bot.tick()

    def cycle(self) -> None:
        """Reconcile once, and say what came of it."""
        self.cycles += 1
        outcome = self._reconcile()
        text = cycle_text(outcome) if outcome is not None else "failed; the reason is above"
        # The number by which the console shows it; a cycle that found the account held has none.
        number = "" if outcome is None or outcome.run_id is None else f" {outcome.run_id}"
        parts = [f"{self._ports.clock.now():%H:%M:%S} run{number}: {text}"]
        if outcome is not None and outcome.status != RunStatus.SKIPPED_LOCKED:
            self.repaired += outcome.counts.get("mismatches", 0)
            parts.append(self._missed())
        parts.append(self._refused())
        parts.append(self._chain.text())
        self._say("; ".join(part for part in parts if part))

    def _reconcile(self) -> RunOutcome | None:
        try:
            (outcome,) = reconcile_accounts(ports=self._ports)
        except Exception:
            # The run is recorded as failed; the next one may do better.
            logger.exception("a reconciliation cycle failed")
            return None
        return outcome

    def _missed(self) -> str:
        missed = sum(bot.missed for bot in self._bots)
        for bot in self._bots:
            bot.missed = 0
        return f"the bots have missed {some(missed, 'message')} since" if missed else ""

    def _refused(self) -> str:
        rows, self._refusals.rows = self._refusals.rows, []
        if not rows:
            return ""
        return f"{some(len(rows), 'delivered row')} refused ({rows[0].ref}: {rows[0].reason})"


def _next(due: float, every: float, clock: Clock) -> float:
    """Return when to do it again: what a slow machine or a sleep left out is not made up for."""
    return max(due + every, clock.monotonic())
