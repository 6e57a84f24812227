"""The marks that capital needs: where only the market says what an entry order would cost."""

from decimal import Decimal

from reconciliation.clock import Clock
from reconciliation.exchange.gateway import ExchangeError, Gateway
from reconciliation.handlers.marks import keep_marks
from reconciliation.models import ExchangeAccount
from reconciliation.selectors.capital import symbols_to_mark


def read_marks(
    *, account: ExchangeAccount, gateway: Gateway, clock: Clock
) -> tuple[dict[str, Decimal], dict[str, str]]:
    """Return the marks that were read, and why the others were not; keep those that were.

    A mark that was not read is unknown: the one of an earlier cycle is no stand-in for it.
    """
    marks: dict[str, Decimal] = {}
    unread: dict[str, str] = {}
    for symbol in symbols_to_mark(account.pk):
        try:
            marks[symbol] = gateway.fetch_mark(symbol)
        except ExchangeError as error:
            unread[f"mark {symbol}"] = str(error)
    keep_marks(account_id=account.pk, marks=marks, as_of=clock.now())
    return marks, unread
