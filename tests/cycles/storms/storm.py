"""A storm: bots trade, mail gets lost, exchanges fail, processes die; then it is quiet.

Mail to the portal may be dropped, repeated, overtaken, or arrive days late. When a storm is over,
everything calms down, and the books must be what the exchange is.
"""

import sys
from contextlib import ExitStack, suppress

from hypothesis import strategies as st
from hypothesis.stateful import rule

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.reconcile import reconcile_account
from reconciliation.domain.deliveries import Delivery
from reconciliation.enums import CycleStep, DeliveryOutcome, RunStatus
from reconciliation.handlers.runs import CLAIM_TTL
from reconciliation.models import Profile
from tests.cycles.storms.market import NUMBER, Kind, Market, given, pick
from tests.cycles.storms.truth import check_chain, find_disagreements
from tests.cycles.storms.weather import FAIR, WEATHERS, Weather
from tests.cycles.storms.witness import nothing_wrong, state
from tests.cycles.storms.world import undone
from tests.cycles.worlds import everything

# Cycles after which books and exchange must agree: one to look, as many as "not found" has to be
# said, and what those brought up.
CYCLES_TO_REST = 5


class Killed(BaseException):
    """The end of a process."""


class Storm(Market):
    """One account, from its first order to rest; nothing of it is left in the database."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(kind)
        # Only what is being raised at its end tells a storm that a step of it failed.
        self._before = sys.exc_info()[1]
        self._undoing = ExitStack()
        self._undoing.enter_context(undone())

    def teardown(self) -> None:
        """Come to rest, unless a step failed; undo everything in any case."""
        with self._undoing:
            if sys.exc_info()[1] is self._before:
                self._rest()

    # What becomes of mail.

    @given(lambda storm: storm.mail)
    @rule(letter=NUMBER, fate=st.sampled_from(["arrives", "arrives", "arrives twice", "is copied"]))
    def deliver(self, letter: int, fate: str) -> None:
        """Deliver a letter; a copied one arrives again, who knows when."""
        at = letter % len(self.mail)
        delivery = self.mail[at] if fate == "is copied" else self.mail.pop(at)
        self._tell(delivery)
        if fate == "arrives twice":
            self._tell_again(delivery)

    @given(lambda storm: len(storm.mail) > 1)
    @rule()
    def deliver_everything_backwards(self) -> None:
        while self.mail:
            self._tell(self.mail.pop())

    @given(lambda storm: storm.mail)
    @rule(letter=NUMBER)
    def lose(self, letter: int) -> None:
        del self.mail[letter % len(self.mail)]

    # What the portal does, and what happens to it.

    @rule(weather=WEATHERS)
    def cycle(self, weather: Weather) -> None:
        self._cycle(weather)

    @rule(profile=NUMBER)
    def cycle_of_one_profile(self, profile: int) -> None:
        name = pick([self.world.alpha, self.world.beta], profile)
        outcome = reconcile_account(
            account=self.world.account,
            ports=self.world.ports(),
            profile=Profile.objects.get(name=name),
        )
        self._check(outcome)

    @rule(step=st.sampled_from(CycleStep), restarts=st.booleans())
    def die(self, step: CycleStep, restarts: bool) -> None:
        """Kill a run at a step; what it held is held until its time is up."""

        def reach(reached: CycleStep) -> None:
            if reached == step:
                raise Killed

        with suppress(Killed):
            self.world.cycle(reach)
        self.witness.check_cycle()
        self.world.clock.advance(seconds=CLAIM_TTL.total_seconds() + 1)
        if restarts:
            self.world.start_gateway()

    @rule(seconds=st.sampled_from([1, 6, 60, 400, 4000, 9000]))
    def wait(self, seconds: int) -> None:
        self.world.clock.advance(seconds=seconds)

    def _tell(self, delivery: Delivery) -> None:
        self.world.tell(delivery)
        self.witness.check()

    def _tell_again(self, delivery: Delivery) -> None:
        """Deliver what was delivered last: it writes nothing but the refusals it meets."""
        before = everything()
        report = self.world.tell(delivery)
        outcomes = {row.outcome for row in report.rows}
        if outcomes == {DeliveryOutcome.UNCHANGED}:
            assert everything() == before, "a repeated delivery wrote something"
        assert outcomes <= {DeliveryOutcome.UNCHANGED, DeliveryOutcome.REFUSED}, report.rows

    def _cycle(self, weather: Weather) -> RunStatus:
        before = state() if weather.halted_from == 0 else None
        self.world.gateway.weather = weather
        outcome = self.world.cycle()
        self.world.gateway.weather = FAIR
        if before is not None:
            assert state() == before, "nothing was read, and something was written"
        self._check(outcome)
        return outcome.status

    def _check(self, outcome: RunOutcome) -> None:
        assert not outcome.error.startswith("unexpected"), outcome.error
        nothing_wrong(outcome.row_errors)
        self.witness.check_cycle()

    def _rest(self) -> None:
        """Let everything calm down; then both sides are the same, and nothing more is written."""
        world = self.world
        for _ in range(CYCLES_TO_REST):
            world.clock.advance(seconds=120)
            assert self._cycle(FAIR) == RunStatus.SUCCEEDED
        nothing_wrong(find_disagreements(world.truth))
        before = everything()
        world.clock.advance(seconds=120)
        self._cycle(FAIR)
        assert everything() == before, "a second pass wrote more than its run"
        nothing_wrong(check_chain())
