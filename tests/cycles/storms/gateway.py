"""A gateway in this process over a paper account's state, that fails as its weather says.

It answers what the real one answers for the same account over HTTP, in microseconds: a triggered
algo order stays open and names its children, an order that ended is forgotten after two hours (its
fills are not), one that was replaced is found by its client id as its newest leg.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.domain.key_rights import KeyRights
from reconciliation.domain.types import (
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    FillPage,
    Instrument,
    OpenOrders,
)
from reconciliation.enums import (
    FillKind,
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)
from reconciliation.exchange.gateway import (
    UnknownSymbol,
)
from reconciliation.exchange.paper.book import (
    PaperFill,
    PaperInstrument,
    PaperOrder,
    PaperPosition,
)
from tests.cycles.storms.tickets import Truth
from tests.cycles.storms.weather import FAIR

_STATUSES = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
}


class PaperGateway:
    """Implements `exchange.gateway.Gateway`. `looked_up` are the ids it answered for in a cycle."""

    def __init__(
        self,
        truth: Truth,
        clock: Callable[[], datetime],
        *,
        page_limit: int = 3,
    ) -> None:
        self.truth = truth
        self.account = truth.paper
        self.weather = FAIR
        self.asked: list[str] = []
        self.looked_up: set[str | None] = set()
        self._clock = clock
        self.page_limit = page_limit

    @property
    def order_classes(self) -> tuple[OrderClass, ...]:
        return (OrderClass.REGULAR, OrderClass.CONDITIONAL)

    @property
    def instrument_types(self) -> tuple[InstrumentType, ...]:
        kinds = {_type(each) for each in self.account.instruments().values()}
        return tuple(sorted(kinds))

    def begin_cycle(self, *, budget_seconds: float) -> None:
        self.asked, self.looked_up = [], set()

    def load_instruments(self) -> Mapping[str, Instrument]:
        self._ask("instruments")
        return {symbol: _instrument(each) for symbol, each in self.account.instruments().items()}

    def fetch_open_orders(self, order_class: OrderClass) -> OpenOrders:
        self._ask("open_orders")
        as_of = self._clock()
        shown = [] if "open_orders" in self.weather.empty else self._open_orders(order_class)
        return OpenOrders(order_class=order_class, orders=tuple(shown), as_of=as_of)

    def fetch_fill_pages(
        self, instrument_type: InstrumentType, *, start: datetime, end: datetime
    ) -> Iterator[FillPage]:
        shown = [
            each
            for each in self._visible_fills()
            if start <= each.executed_at <= end
            and _type(self.account.instrument(each.symbol)) == instrument_type
        ]
        shown.sort(key=lambda each: (each.executed_at, each.fill_id), reverse=True)
        whole, upper = shown, end
        while True:
            self._ask("fills")
            rest = shown[self.page_limit :]
            lower = rest[0].executed_at if rest else start
            yield FillPage(
                instrument_type=instrument_type,
                fills=tuple(
                    self._fill(each) for each in whole if lower <= each.executed_at <= upper
                ),
                start=lower,
                end=upper,
            )
            if not rest:
                return
            shown, upper = rest, lower

    def fetch_order(
        self,
        *,
        symbol: str,
        exchange_order_id: str | None,
        client_order_id: str | None,
        order_class: OrderClass,
    ) -> ExchangeOrder | None:
        self._ask("order")
        if symbol not in self.account.instruments():
            raise UnknownSymbol(f"the exchange lists no {symbol}")
        self.looked_up |= {exchange_order_id, client_order_id}
        for name, wanted in (
            ("exchange_order_id", exchange_order_id),
            ("client_order_id", client_order_id),
        ):
            if wanted is None:
                continue
            for found in sorted(self.account.orders(), key=_newest_first, reverse=True):
                if (
                    getattr(found, name) == wanted
                    and found.symbol == symbol
                    and found.is_algo == (order_class != OrderClass.REGULAR)
                    and self.truth.is_kept(found)
                ):
                    return self._order(found)
        return None

    def fetch_order_fills(self, *, symbol: str, exchange_order_id: str) -> tuple[ExchangeFill, ...]:
        self._ask("order_fills")
        return tuple(
            self._fill(each)
            for each in self._visible_fills()
            if (each.symbol, each.exchange_order_id) == (symbol, exchange_order_id)
        )

    def fetch_positions(self, symbol: str | None = None) -> tuple[ExchangePosition, ...]:
        self._ask("positions")
        if "positions" in self.weather.empty:
            return ()
        return tuple(
            _position(each)
            for each in self.account.positions()
            if each.quantity != 0 and symbol in (None, each.symbol)
        )

    def fetch_position_mode(self) -> PositionMode:
        return PositionMode(self.account.position_mode)

    def fetch_key_rights(self) -> KeyRights:
        return KeyRights(may_trade=False, may_move_money=False)

    def fetch_clock_lead(self) -> timedelta:
        return timedelta(0)

    def fetch_balances(self) -> Mapping[str, Decimal]:
        return self.account.balances()

    def fetch_margin_in_use(self) -> Mapping[str, Decimal]:
        self._ask("margin")
        held = self.account.positions()
        return {"USDT": sum((abs(each.quantity) for each in held), Decimal(0))}

    def fetch_mark(self, symbol: str) -> Decimal:
        return self.account.instrument(symbol).mark

    def close(self) -> None:
        return None

    def _ask(self, endpoint: str) -> None:
        number = len(self.asked)
        self.asked.append(endpoint)
        error = self.weather.error(number, endpoint)
        if error is not None:
            raise error

    def _open_orders(self, order_class: OrderClass) -> Iterator[ExchangeOrder]:
        for each in self.account.orders():
            if each.is_open and each.order_class == order_class:
                yield self._order(each)

    def _visible_fills(self) -> list[PaperFill]:
        now = self._clock()
        return [
            each for each in self.account.fills() if each.kind != "funding" and each.is_visible(now)
        ]

    def _order(self, order: PaperOrder) -> ExchangeOrder:
        children = tuple(
            each.exchange_order_id
            for each in self.account.orders()
            if each.parent == order.exchange_order_id
        )
        status = _STATUSES[order.state]
        return ExchangeOrder(
            exchange_order_id=order.exchange_order_id,
            symbol=order.symbol,
            side=Side(order.side),
            type=OrderType.MARKET if order.type == "market" else OrderType.LIMIT,
            order_class=OrderClass(order.order_class),
            status=OrderStatus.OPEN if order.is_algo and children else status,
            quantity=order.quantity,
            filled_quantity=None if order.is_algo else order.filled,
            price=order.price,
            average_price=order.average_price,
            created_at=order.created_at,
            updated_at=order.updated_at,
            client_order_id=order.client_order_id,
            sub_tag=order.tag,
            trade_hint=order.trade_hint,
            position_side=None
            if order.position_side is None
            else PositionSide(order.position_side),
            reduce_only=order.reduce_only,
            parent_id=order.parent,
            child_ids=children,
        )

    def _fill(self, fill: PaperFill) -> ExchangeFill:
        return ExchangeFill(
            fill_id=fill.fill_id,
            symbol=fill.symbol,
            side=Side(fill.side),
            quantity=fill.quantity,
            price=fill.price,
            executed_at=fill.executed_at,
            kind=FillKind(fill.kind),
            exchange_order_id=fill.exchange_order_id,
            client_order_id=fill.client_order_id,
            sub_tag=fill.tag,
            trade_hint=fill.trade_hint,
            position_side=_position_side(fill.position_side),
            fee=fill.fee,
            fee_currency=fill.fee_currency,
        )


def _position_side(word: str | None) -> PositionSide | None:
    return None if word is None else PositionSide(word)


def _newest_first(order: PaperOrder) -> tuple[datetime, int]:
    return order.created_at, int(order.exchange_order_id)


def _type(instrument: PaperInstrument) -> InstrumentType:
    return InstrumentType.SWAP if instrument.is_swap else InstrumentType.SPOT


def _instrument(instrument: PaperInstrument) -> Instrument:
    return Instrument(
        symbol=instrument.symbol,
        type=_type(instrument),
        base=instrument.base,
        quote=instrument.quote,
        contract_size=instrument.unit,
        amount_step=instrument.quantity_step,
        price_tick=instrument.price_tick,
    )


def _position(held: PaperPosition) -> ExchangePosition:
    return ExchangePosition(
        symbol=held.symbol,
        side=PositionSide(held.side),
        quantity=held.signed,
        entry_price=held.entry_price,
        mark_price=None,
    )
