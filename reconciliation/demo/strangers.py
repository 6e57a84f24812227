"""What people do by hand on the account, in a market that belongs to no profile."""

from collections.abc import Callable
from decimal import Decimal

from reconciliation.demo.accounts import SOL
from reconciliation.demo.market import paper_side
from reconciliation.exchange.paper.book import PaperAccount, PaperFill

# After so many seconds a person takes back what was done.
TAKEN_BACK_AFTER = 150
_QUANTITY = Decimal(10)


class Strangers:
    """One account's strangers; a second passes with each `tick`.

    Nothing piles up: an order is canceled again, a position closed again, and nothing more is done
    of what somebody has to decide about enough already: `enough_orders`, `enough_fills`.
    """

    def __init__(
        self,
        exchange: PaperAccount,
        *,
        enough_orders: Callable[[], bool],
        enough_fills: Callable[[], bool],
    ) -> None:
        self._exchange = exchange
        self._enough_orders, self._enough_fills = enough_orders, enough_fills
        self._seconds = 0
        self._due: list[tuple[int, Callable[[], object]]] = []
        if self._held() != 0:
            self._later(self._close)  # left by a demo that was stopped meanwhile

    def tick(self) -> None:
        """Let a second pass, and take back what is due."""
        self._seconds += 1
        due = [each for each in self._due if each[0] <= self._seconds]
        self._due = [each for each in self._due if each[0] > self._seconds]
        for _, act in due:
            act()

    def leave_order(self) -> str | None:
        """Place an order that names nobody; return where, or None while there are enough."""
        if self._due or self._enough_orders():
            return None
        placed = self._exchange.place(
            SOL, "buy", _QUANTITY, self._exchange.instrument(SOL).mark / 2 // 1
        )
        self._later(lambda: self._exchange.cancel(placed.exchange_order_id))
        return SOL

    def trade(self) -> str | None:
        """Buy something by hand; return where, or None while there are enough such fills."""
        if self._due or self._enough_fills():
            return None
        self._trade("buy", _QUANTITY)
        self._later(self._close)
        return SOL

    def _close(self) -> None:
        held = self._held()
        if held != 0:
            self._trade("sell" if held > 0 else "buy", abs(held))

    def _held(self) -> Decimal:
        signed = (each.signed for each in self._exchange.positions() if each.symbol == SOL)
        return sum(signed, Decimal(0))

    def _trade(self, side: str, quantity: Decimal) -> PaperFill:
        order = self._exchange.place(SOL, paper_side(side), quantity, type="market")
        return self._exchange.fill(order.exchange_order_id)

    def _later(self, act: Callable[[], object]) -> None:
        self._due.append((self._seconds + TAKEN_BACK_AFTER, act))
