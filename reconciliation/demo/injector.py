"""Makes drifts, one after the other, as the dice choose them from the table."""

from collections import deque
from collections.abc import Callable, Sequence

from reconciliation.demo.acts import Stage
from reconciliation.demo.beliefs import BotTrade
from reconciliation.demo.drift import DRIFTS, OPENING, Drift
from reconciliation.demo.plans import Plan

SHORTEST, LONGEST = 12, 30
# One after the other, until one is possible.
_TRIES = 5


class Injector:
    """Whoever makes the drifts; a second passes with each `tick`."""

    def __init__(
        self,
        *,
        stage: Callable[[], Stage],
        say: Callable[[str], None],
        drifts: Sequence[Drift] = DRIFTS,
        opening: Sequence[Drift] = OPENING,
    ) -> None:
        self._stage = stage
        self._say = say
        self._drifts = drifts
        self._opening = deque(opening)
        self._by_plan = {each.name: each for each in drifts if isinstance(each.make, Plan)}
        self._seconds = 0
        self._next = 0
        self._rests_until: dict[str, int] = {}

    def tick(self) -> None:
        """Let a second pass, and make a drift when one is due."""
        self._seconds += 1
        if self._seconds < self._next:
            return
        if self._opening:
            while self._opening and self.make(self._opening[0]):
                self._opening.popleft()
            return
        random = self._stage().random
        for _ in range(_TRIES):
            awake = [
                each for each in self._drifts if self._rests_until.get(each.name, 0) < self._seconds
            ]
            if not awake:
                break
            weights = [each.weight for each in awake]
            if self.make(random.choices(awake, weights=weights)[0]):
                break
        self._next = self._seconds + random.randint(SHORTEST, LONGEST)

    def begins(self, trade: BotTrade, plan: Plan) -> None:
        """Say that an order begins the life that was chosen for it."""
        self._tell(self._by_plan[plan.name], f"{trade.trade_id}, {trade.symbol}")

    def make(self, drift: Drift) -> bool:
        """Make a drift, or give it to a bot for its next order; return whether it is possible."""
        stage = self._stage()
        if isinstance(drift.make, Plan):
            waiting = [bot for bot in stage.bots if not bot.drifts]
            if not waiting:
                return False
            stage.random.choice(waiting).order_drift(drift.make)
        else:
            where = drift.make(stage)
            if where is None:
                return False
            self._tell(drift, where)
        self._rests_until[drift.name] = self._seconds + drift.rest
        return True

    def _tell(self, drift: Drift, where: str) -> None:
        self._say(f"drift, {where}: {drift.sentence}")
