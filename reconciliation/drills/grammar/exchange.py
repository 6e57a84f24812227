"""`exchange` sections: what is true at the paper exchange, per account."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from reconciliation.domain.amounts import ZERO
from reconciliation.drills import values
from reconciliation.drills.grammar.ids import read_client_order_id
from reconciliation.drills.grammar.names import Names, resolve
from reconciliation.drills.schema import ExchangeChange
from reconciliation.drills.source import Fields, Node
from reconciliation.enums import (
    FillKind,
    InstrumentType,
    OrderClass,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)
from reconciliation.exchange.paper import records
from reconciliation.exchange.paper.records import (
    PaperFill,
    PaperInstrument,
    PaperOrder,
    PaperPosition,
)
from reconciliation.exchange.paper.units import to_wire_units

LISTS = ("orders", "fills", "positions")
SECTIONS = (*LISTS, *(f"{name}+" for name in LISTS), "balances", "marks")

Row = TypeVar("Row")


def read_exchange(node: Node, names: Names) -> tuple[ExchangeChange, ...]:
    """Return the change of each account that a section names."""
    changes = []
    for name, field in node.entries("exchange").items():
        if name not in names.accounts:
            resolve(Node(node.file, field.line, name), "account", names.accounts)
        changes.append(_Section(name, names).change(field.node))
    return tuple(changes)


class _Section:
    """The rows of one account."""

    def __init__(self, account: str, names: Names) -> None:
        self._account = account
        self._names = names

    def change(self, node: Node) -> ExchangeChange:
        fields = node.fields(f"exchange.{self._account}", optional=SECTIONS)
        return ExchangeChange(
            account=self._account,
            orders=self._replaced(fields, "orders", self._order),
            fills=self._replaced(fields, "fills", self._fill),
            positions=self._replaced(fields, "positions", self._position),
            more_orders=self._rows(fields.get("orders+"), "orders+", self._order),
            more_fills=self._rows(fields.get("fills+"), "fills+", self._fill),
            more_positions=self._rows(fields.get("positions+"), "positions+", self._position),
            balances=self._balances(fields.get("balances")),
            marks=self._marks(fields.get("marks")),
        )

    def _replaced(
        self, fields: Fields, name: str, read: Callable[[Node], Row]
    ) -> tuple[Row, ...] | None:
        return self._rows(fields[name], name, read) if name in fields else None

    def _rows(self, node: Node | None, name: str, read: Callable[[Node], Row]) -> tuple[Row, ...]:
        return () if node is None else tuple(read(row) for row in node.items(name))

    def _order(self, node: Node) -> PaperOrder:
        fields = node.fields(
            "an order at the exchange",
            required=(
                *("exchange_order_id", "symbol", "side", "type", "quantity", "state"),
                "created_at",
            ),
            optional=(
                *("client_order_id", "tag", "price", "filled", "average_price"),
                *("class", "position_side", "trade_hint", "parent"),
            ),
        )
        symbol = self._names.symbol(fields["symbol"])
        quantity = self._quantity(fields["quantity"], symbol)
        state = values.one_of(fields["state"], "state", records.ORDER_STATES)
        filled = fields.get("filled")
        return _record(
            node,
            PaperOrder,
            exchange_order_id=values.text(fields["exchange_order_id"], "exchange_order_id"),
            symbol=symbol,
            side=values.word(fields["side"], "side", Side).value,
            type=values.word(fields["type"], "type", OrderType).value,
            quantity=quantity,
            price=_optional(fields, "price", values.not_negative),
            state=state,
            filled=(
                self._quantity(filled, symbol, what="filled", least=values.not_negative)
                if filled is not None
                else self._filled(node, state, quantity)
            ),
            average_price=_optional(fields, "average_price", values.not_negative),
            created_at=values.moment(fields["created_at"], "created_at", start=self._names.start),
            client_order_id=self._client_order_id(fields),
            tag=_optional(fields, "tag", values.text),
            position_side=self._position_side(fields),
            order_class=self._order_class(fields),
            parent=_optional(fields, "parent", values.text),
            trade_hint=_optional(fields, "trade_hint", values.text),
        )

    def _filled(self, node: Node, state: str, quantity: Decimal) -> Decimal:
        if state == "partially_filled":
            raise node.error("a partially filled order needs the key 'filled'")
        return quantity if state == "filled" else ZERO

    def _fill(self, node: Node) -> PaperFill:
        fields = node.fields(
            "a fill",
            required=("fill_id", "symbol", "side", "quantity", "price", "at"),
            optional=(
                *("exchange_order_id", "client_order_id", "tag", "fee", "fee_currency"),
                *("position_side", "trade_hint", "kind"),
            ),
        )
        symbol = self._names.symbol(fields["symbol"])
        kind = fields.get("kind")
        return _record(
            node,
            PaperFill,
            fill_id=values.text(fields["fill_id"], "fill_id"),
            exchange_order_id=_optional(fields, "exchange_order_id", values.text),
            client_order_id=self._client_order_id(fields),
            tag=_optional(fields, "tag", values.text),
            symbol=symbol,
            side=values.word(fields["side"], "side", Side).value,
            position_side=self._position_side(fields),
            quantity=self._quantity(fields["quantity"], symbol),
            price=values.positive(fields["price"], "price"),
            fee=_optional(fields, "fee", values.amount),
            fee_currency=_optional(fields, "fee_currency", values.text),
            executed_at=values.moment(fields["at"], "at", start=self._names.start),
            kind=("trade" if kind is None else values.word(kind, "kind", FillKind).value),
            trade_hint=_optional(fields, "trade_hint", values.text),
        )

    def _position(self, node: Node) -> PaperPosition:
        fields = node.fields(
            "a position at the exchange",
            required=("symbol", "side", "quantity"),
            optional=("entry_price",),
        )
        symbol = self._names.symbol(fields["symbol"])
        side = values.word(fields["side"], "side", PositionSide)
        nets = self._position_mode is PositionMode.NET
        if nets != (side is PositionSide.NET):
            right = "net" if nets else "long or short"
            raise fields["side"].error(
                f"the side of a position must be {right}: account {self._account!r} is in "
                f"{self._position_mode.value} mode"
            )
        if _type_of(self._names.instruments[symbol]) is InstrumentType.SPOT:
            raise fields["symbol"].error(f"{symbol} is spot: it is held as a balance")
        least = values.amount if nets else values.not_negative
        return _record(
            node,
            PaperPosition,
            symbol=symbol,
            side=side.value,
            quantity=self._quantity(fields["quantity"], symbol, least=least),
            entry_price=_optional(fields, "entry_price", values.not_negative),
        )

    def _balances(self, node: Node | None) -> Mapping[str, Decimal] | None:
        if node is None:
            return None
        return {
            currency: values.amount(field.node, f"the balance of {currency}")
            for currency, field in node.entries("balances").items()
        }

    def _marks(self, node: Node | None) -> Mapping[str, Decimal]:
        marks = {}
        for symbol, field in ({} if node is None else node.entries("marks")).items():
            resolve(Node(field.node.file, field.line, symbol), "symbol", self._names.instruments)
            marks[symbol] = values.positive(field.node, f"the mark of {symbol}")
        return marks

    @property
    def _position_mode(self) -> PositionMode:
        return self._names.accounts[self._account].position_mode

    def _quantity(
        self,
        node: Node,
        symbol: str,
        *,
        what: str = "quantity",
        least: Callable[[Node, str], Decimal] = values.positive,
    ) -> Decimal:
        quantity = least(node, what)
        try:
            to_wire_units(what, self._names.instruments[symbol], quantity)
        except ValueError as error:
            raise node.error(str(error)) from error
        return quantity

    def _client_order_id(self, fields: Fields) -> str | None:
        node = fields.get("client_order_id")
        if node is None:
            return None
        tag = _optional(fields, "tag", values.text)
        return read_client_order_id(node, self._names, account=self._account, sub_tag=tag)

    def _position_side(self, fields: Fields) -> str | None:
        node = fields.get("position_side")
        if node is None:
            return None
        if self._position_mode is PositionMode.NET:
            raise node.error(f"account {self._account!r} nets its positions: no position_side")
        return values.one_of(node, "position_side", records.POSITION_SIDES)

    def _order_class(self, fields: Fields) -> str:
        node = fields.get("class")
        found = OrderClass.REGULAR if node is None else values.word(node, "class", OrderClass)
        return found.value


def _type_of(instrument: PaperInstrument) -> InstrumentType:
    return InstrumentType.SWAP if instrument.is_swap else InstrumentType.SPOT


def _record(node: Node, record: type[Row], **given: Any) -> Row:
    """Return the paper exchange's record; what it refuses is wrong in this row."""
    try:
        return record(**given)
    except (TypeError, ValueError) as error:
        raise node.error(str(error)) from error


def _optional(fields: Fields, name: str, read: Callable[[Node, str], Row]) -> Row | None:
    node = fields.get(name)
    return None if node is None else read(node, name)


def read_instruments(
    node: Node | None, built_in: Mapping[str, PaperInstrument]
) -> dict[str, PaperInstrument]:
    """Return the built-in instruments, with those that the file adds or changes."""
    instruments = dict(built_in)
    for symbol, field in ({} if node is None else node.entries("instruments")).items():
        instruments[symbol] = _instrument(symbol, field.node, built_in.get(symbol))
    return instruments


def _instrument(symbol: str, node: Node, old: PaperInstrument | None) -> PaperInstrument:
    amounts = ("amount_step", "price_tick", "mark")
    sizes = ("contract_size",) if ":" in symbol else ()
    fields = node.fields(
        f"instrument {symbol}",
        required=() if old else (*sizes, *amounts),
        optional=(*sizes, *amounts),
    )
    given: dict[str, Decimal | None] = {"contract_size": None}
    if old is not None:
        given = {name: getattr(old, name) for name in ("contract_size", *amounts)}
    given |= {name: values.positive(fields[name], name) for name in fields}
    return _record(node, PaperInstrument, symbol=symbol, **given)
