"""Ask for single orders: what became of those that no list shows any more."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reconciliation.cycles.ports import Ports
from reconciliation.domain.books import OrderState
from reconciliation.domain.types import Instrument, LookUp, OrderFound, OrderNotFound, Unread
from reconciliation.domain.unowned import OrderKey
from reconciliation.enums import ENDED_UNFILLED_ORDER_STATUSES, OrderClass
from reconciliation.exchange.gateway import (
    AccountHalted,
    BudgetExhausted,
    ExchangeError,
    Gateway,
)
from reconciliation.handlers.fills import UnprovenFills, keep_order_fills
from reconciliation.models import ExchangeAccount


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUps:
    """Asks for the orders of one account in one run; an answer that fails is `Unread`.

    The fills of an order that was found are kept; one answer that fails never stops the others.
    """

    account: ExchangeAccount
    gateway: Gateway
    instruments: Mapping[str, Instrument]
    ports: Ports
    run_id: int

    def of_orders(
        self, orders: Sequence[OrderState], progress: Callable[[str], None]
    ) -> tuple[dict[int, LookUp], frozenset[int]]:
        """Return the answer for each order of the books, by its id, and which had their turn.

        After the one in which the cycle's time ran out, or the exchange asked to stop, the others
        had none: they come first in the next cycle.
        """
        answers: dict[int, LookUp] = {}
        had_their_turn: set[int] = set()
        is_over = False
        for number, order in enumerate(orders, start=1):
            progress(f"asking for order {number} of {len(orders)}")
            try:
                answers[order.id] = self._ask(
                    symbol=order.symbol,
                    exchange_order_id=order.exchange_order_id,
                    client_order_id=order.client_order_id,
                    order_class=order.order_class,
                )
            except (AccountHalted, BudgetExhausted) as error:
                answers[order.id] = Unread(reason=str(error))
                if is_over:
                    continue
                is_over = True
            had_their_turn.add(order.id)
        return answers, frozenset(had_their_turn)

    def of_unknown(self, keys: Sequence[OrderKey]) -> dict[OrderKey, LookUp]:
        """Return the answer for each order that the books do not know."""
        answers: dict[OrderKey, LookUp] = {}
        for symbol, exchange_order_id in keys:
            try:
                answers[(symbol, exchange_order_id)] = self._ask(
                    symbol=symbol,
                    exchange_order_id=exchange_order_id,
                    client_order_id=None,
                    order_class=OrderClass.REGULAR,
                )
            except (AccountHalted, BudgetExhausted) as error:
                answers[(symbol, exchange_order_id)] = Unread(reason=str(error))
        return answers

    def _ask(
        self,
        *,
        symbol: str,
        exchange_order_id: str | None,
        client_order_id: str | None,
        order_class: OrderClass,
    ) -> LookUp:
        try:
            answer = _look_up(
                self.gateway,
                self.ports,
                symbol=symbol,
                exchange_order_id=exchange_order_id,
                client_order_id=client_order_id,
                order_class=order_class,
            )
        except (AccountHalted, BudgetExhausted):
            raise
        except ExchangeError as error:
            return Unread(reason=str(error))
        if isinstance(answer, OrderFound) and not isinstance(answer.fills, Unread):
            try:
                keep_order_fills(
                    account_id=self.account.pk,
                    instrument_type=self.instruments[symbol].type,
                    fills=answer.fills,
                    run_id=self.run_id,
                    now=self.ports.clock.now(),
                )
            except UnprovenFills as error:
                return Unread(reason=str(error))
        return answer


def _look_up(
    gateway: Gateway,
    ports: Ports,
    *,
    symbol: str,
    exchange_order_id: str | None,
    client_order_id: str | None,
    order_class: OrderClass,
) -> LookUp:
    """Ask for an order and for what it became: its newest leg, or the child it triggered."""
    as_of = ports.clock.now()
    found = gateway.fetch_order(
        symbol=symbol,
        exchange_order_id=exchange_order_id,
        client_order_id=client_order_id,
        order_class=order_class,
    )
    if found is None:
        return OrderNotFound(as_of=as_of)
    legs = [found]
    for child_id in found.child_ids:
        child = gateway.fetch_order(
            symbol=symbol,
            exchange_order_id=child_id,
            client_order_id=None,
            order_class=OrderClass.REGULAR,
        )
        if child is None:
            return Unread(reason=f"the triggered order {child_id} could not be found")
        legs.append(child)
    own_name = client_order_id or found.client_order_id
    if found.status in ENDED_UNFILLED_ORDER_STATUSES and own_name is not None:
        # Canceled and replaced under the same client order id: the newer leg lives on.
        newest = gateway.fetch_order(
            symbol=symbol,
            exchange_order_id=None,
            client_order_id=own_name,
            order_class=order_class,
        )
        if newest is not None and newest.exchange_order_id != found.exchange_order_id:
            legs.append(newest)
    fills = [
        fill
        for leg in legs
        if not leg.child_ids
        for fill in gateway.fetch_order_fills(
            symbol=symbol, exchange_order_id=leg.exchange_order_id
        )
    ]
    return OrderFound(legs=tuple(legs), fills=tuple(fills), as_of=as_of)
