"""Ask for single orders: what became of those that no list shows any more."""

from collections.abc import Callable, Sequence

from reconciliation.cycles.ports import Ports
from reconciliation.domain.books import OrderState
from reconciliation.domain.types import Instrument, LookUp, OrderFound, OrderNotFound, Unread
from reconciliation.exchange.gateway import ExchangeError, Gateway
from reconciliation.handlers.fills import keep_order_fills
from reconciliation.models import ExchangeAccount


def look_up_orders(
    orders: Sequence[OrderState],
    *,
    account: ExchangeAccount,
    gateway: Gateway,
    instruments: dict[str, Instrument],
    ports: Ports,
    run_id: int,
    progress: Callable[[str], None],
) -> dict[int, LookUp]:
    """Return the answer for each order; the fills of those that were found are kept.

    An answer that fails is `Unread`; it never stops the others.
    """
    answers: dict[int, LookUp] = {}
    for number, order in enumerate(orders, start=1):
        progress(f"asking for order {number} of {len(orders)}")
        try:
            answer = _look_up(order, gateway, ports)
        except ExchangeError as error:
            answers[order.id] = Unread(reason=str(error))
            continue
        answers[order.id] = answer
        if isinstance(answer, OrderFound) and not isinstance(answer.fills, Unread):
            keep_order_fills(
                account_id=account.pk,
                instrument_type=instruments[order.symbol].type,
                fills=answer.fills,
                run_id=run_id,
                now=ports.clock.now(),
            )
    return answers


def _look_up(order: OrderState, gateway: Gateway, ports: Ports) -> LookUp:
    as_of = ports.clock.now()
    found = gateway.fetch_order(
        symbol=order.symbol,
        exchange_order_id=order.exchange_order_id,
        client_order_id=order.client_order_id,
        order_class=order.order_class,
    )
    if found is None:
        return OrderNotFound(as_of=as_of)
    fills = gateway.fetch_order_fills(
        symbol=order.symbol, exchange_order_id=found.exchange_order_id
    )
    return OrderFound(order=found, fills=fills, as_of=as_of)
