"""Plays the table of cases, one after the other, on accounts that nobody else trades on."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from reconciliation.demo.accounts import CASES
from reconciliation.demo.cases import TABLE, Case
from reconciliation.demo.desk import Desk, hold
from reconciliation.exchange.paper.faults import FaultPlan
from reconciliation.models import Trade

# Between two cases, and between the opening of a case's trades and what happens to them.
PAUSE = 2
GOES_WRONG_AFTER = 8


class CasePlayer:
    """Plays what the database does not have yet; a second passes with each `tick`."""

    def __init__(
        self,
        *,
        desks: Mapping[str, Desk],
        faults: FaultPlan,
        say: Callable[[str], None],
        table: Sequence[Case] = TABLE,
    ) -> None:
        self._desks = desks
        self._faults = faults
        self._say = say
        self._exchanges = {desk.exchange.name: desk.exchange for desk in desks.values()}
        known = set(Trade.objects.values_list("trade_id", flat=True))
        self._waiting = deque(case for case in table if known.isdisjoint(case.trades))
        self._opened: deque[tuple[int, Case]] = deque()
        self._seconds = 0
        for case in table:
            if case not in self._waiting:
                # The new exchange has what the fills add up to, which is not what had happened.
                self._restore(case)

    def tick(self) -> None:
        """Let a second pass; begin a case, or let it happen, when it is time."""
        self._seconds += 1
        self._tell_no_price()
        while self._opened and self._opened[0][0] <= self._seconds:
            _, case = self._opened.popleft()
            case.happens(self._desks)
            self._say(f"case, {case.account}, {case.symbols}: {case.sentence}")
        if self._waiting and self._seconds % PAUSE == 0:
            case = self._waiting.popleft()
            case.opens(self._desks)
            self._opened.append((self._seconds + GOES_WRONG_AFTER, case))

    def _tell_no_price(self) -> None:
        """Let the account of the cases get no price by itself; an outage that ends clears this."""
        if not any(each.account == CASES.name for each in self._faults.armed()):
            self._faults.add(CASES.name, "ticker", "empty_list", "always")

    def _restore(self, case: Case) -> None:
        held = {symbol: Decimal(quantity) for symbol, quantity in case.holds.items()}
        hold(self._exchanges[case.account], held)
