"""`database` sections: what the trading system writes, as deliveries of one account each.

A section names rows by key. A key that an earlier section knows is changed: what is not named
keeps its value, and the whole row is delivered.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredPosition,
    DeliveredTrade,
    Delivery,
)
from reconciliation.domain.keys import evidence_hash
from reconciliation.drills import values
from reconciliation.drills.grammar import ids
from reconciliation.drills.grammar.names import Names
from reconciliation.drills.schema import DatabaseChange, OrderName
from reconciliation.drills.source import Field, Fields, Node
from reconciliation.enums import (
    Direction,
    HistoryKind,
    HistorySource,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Purpose,
    Side,
    TradeStatus,
)

SECTIONS = ("trades", "orders", "history", "positions")
DELIVERED_KINDS = (HistoryKind.ENTRY.value, HistoryKind.EXIT.value)
HELD_SIDES = (PositionSide.LONG.value, PositionSide.SHORT.value)

_Reader = Callable[[Node, Names], Any]


def read_database(node: Node, names: Names) -> DatabaseChange:
    """Return the deliveries of a section; its trades and orders are known from here on."""
    fields = node.fields("database", optional=SECTIONS)
    trades = [_trade(key, field, names) for key, field in _entries(fields, "trades").items()]
    orders = [_order(key, field, names) for key, field in _entries(fields, "orders").items()]
    history = _history(fields.get("history"), names)
    positions = _positions(fields.get("positions"), names)
    deliveries = (
        Delivery(
            account=account,
            trades=tuple(row for row in trades if _account(row.profile, names) == account),
            orders=tuple(row for row in orders if _account(row.profile, names) == account),
            history=tuple(row for row in history if _trade_account(row, names) == account),
            positions=tuple(row for row in positions if _account(row.profile, names) == account),
        )
        for account in names.accounts
    )
    return DatabaseChange(
        deliveries=tuple(each for each in deliveries if each != Delivery(account=each.account)),
        orders=tuple(_order_name(key, names) for key in _entries(fields, "orders")),
    )


def foretell_trades(node: Node | None) -> dict[str, str]:
    """Return trade → profile of a section that is not yet read, where it says so at all."""
    found: dict[str, str] = {}
    for key, row in _mapping(_below(node, "trades")).items():
        profile = _below(row.node, "profile")
        if profile is not None and isinstance(profile.value, str):
            found[key] = profile.value
    return found


def _mapping(node: Node | None) -> Mapping[str, Field]:
    return node.value if node is not None and isinstance(node.value, dict) else {}


def _below(node: Node | None, key: str) -> Node | None:
    field = _mapping(node).get(key)
    return None if field is None else field.node


def _entries(fields: Fields, name: str) -> Mapping[str, Field]:
    node = fields.get(name)
    return {} if node is None else node.entries(f"database.{name}")


def _account(profile: str, names: Names) -> str:
    return names.profiles[profile].account


def _trade_account(row: DeliveredHistory, names: Names) -> str:
    return _account(names.trades[row.trade_id].profile, names)


def _order_name(key: str, names: Names) -> OrderName:
    row = names.orders[key]
    return OrderName(
        key=key,
        account=_account(row.profile, names),
        client_order_id=row.client_order_id,
        exchange_order_id=row.exchange_order_id,
    )


def _moment(what: str) -> _Reader:
    return lambda node, names: values.moment(node, what, start=names.start)


def _text(what: str) -> _Reader:
    return lambda node, names: values.text(node, what)


# Per kind of row: the file's key → the field of the delivery, and how it is read.
_TRADE: Mapping[str, tuple[str, _Reader]] = {
    "profile": ("profile", lambda node, names: names.profile(node)),
    "symbol": ("symbol", lambda node, names: names.symbol(node)),
    "direction": ("direction", lambda node, _: values.word(node, "direction", Direction)),
    "opened_at": ("opened_at", _moment("opened_at")),
    "sub_tag": ("sub_tag", _text("sub_tag")),
    "status": ("status", lambda node, _: values.word(node, "status", TradeStatus)),
}
_TRADE_OPTIONAL = ("sub_tag", "status")
_ORDER: Mapping[str, tuple[str, _Reader]] = {
    "trade": ("trade_id", lambda node, names: names.trade(node)),
    "profile": ("profile", lambda node, names: names.profile(node)),
    "symbol": ("symbol", lambda node, names: names.symbol(node)),
    "purpose": ("purpose", lambda node, _: values.word(node, "purpose", Purpose)),
    "side": ("side", lambda node, _: values.word(node, "side", Side)),
    "type": ("type", lambda node, _: values.word(node, "type", OrderType)),
    "status": ("status", lambda node, _: values.word(node, "status", OrderStatus)),
    "quantity": ("quantity", lambda node, _: values.positive(node, "quantity")),
    "filled": ("filled_quantity", lambda node, _: values.not_negative(node, "filled")),
    "price": ("price", lambda node, _: values.not_negative(node, "price")),
    "average_price": (
        "average_price",
        lambda node, _: values.not_negative(node, "average_price"),
    ),
    "created_at": ("created_at", _moment("created_at")),
    "exchange_order_id": ("exchange_order_id", _text("exchange_order_id")),
    "class": ("order_class", lambda node, _: values.word(node, "class", OrderClass)),
    "position_side": (
        "position_side",
        lambda node, _: PositionSide(values.one_of(node, "position_side", HELD_SIDES)),
    ),
    "sub_tag": ("sub_tag", _text("sub_tag")),
}
_ORDER_REQUIRED = ("purpose", "side", "type", "status", "quantity", "created_at")
_ORDER_NULLABLE = ("price", "average_price", "exchange_order_id", "position_side", "sub_tag")
_ORDER_IDS = ("client_order_id", "sequence")


def _trade(key: str, field: Field, names: Names) -> DeliveredTrade:
    old = names.trades.get(key)
    required = () if old else tuple(name for name in _TRADE if name not in _TRADE_OPTIONAL)
    fields = field.node.fields(f"trade {key}", required=required, optional=tuple(_TRADE))
    given = _read(fields, _TRADE, _TRADE_OPTIONAL, names)
    row = replace(old, **given) if old else DeliveredTrade(trade_id=key, **given)
    names.trades[key] = row
    return row


def _order(key: str, field: Field, names: Names) -> DeliveredOrder:
    old, node = names.orders.get(key), field.node
    fields = node.fields(
        f"order {key}",
        required=() if old else _ORDER_REQUIRED,
        optional=(*_ORDER, *_ORDER_IDS),
    )
    given: dict[str, Any] = {} if old is None else asdict(old)
    given |= _read(fields, _ORDER, _ORDER_NULLABLE, names)
    trade = names.trades.get(given.get("trade_id", ""))
    for name in ("profile", "symbol"):
        if name not in given and trade is None:
            raise node.error(f"order {key} needs the key 'trade', or 'profile' and 'symbol'")
        given.setdefault(name, getattr(trade, name, None))
    if "filled_quantity" not in given:
        filled = given["status"] is OrderStatus.FILLED
        given["filled_quantity"] = given["quantity"] if filled else ZERO
    if given.get("position_side") is not None:
        _refuse_side_in_net_mode(fields, _account(given["profile"], names), names)
    given |= _client_order_id(fields, given, names)
    row = DeliveredOrder(**given)
    if row.client_order_id is None and row.exchange_order_id is None:
        raise node.error(f"order {key} needs a client_order_id or an exchange_order_id")
    names.orders[key] = row
    return row


def _client_order_id(fields: Fields, given: Mapping[str, Any], names: Names) -> dict[str, Any]:
    sequence, node = fields.get("sequence"), fields.get("client_order_id")
    is_auto = node is not None and node.value == ids.AUTO
    if sequence is not None and not is_auto:
        raise sequence.error("a sequence only goes with `client_order_id: auto`")
    if node is None:
        return {"client_order_id": None} if "client_order_id" in fields else {}
    profile = names.profiles[given["profile"]]
    if not is_auto:
        found = ids.read_client_order_id(
            node, names, account=profile.account, sub_tag=given.get("sub_tag")
        )
        return {"client_order_id": found}
    if given.get("trade_id") is None:
        raise node.error("`client_order_id: auto` needs the order's trade")
    owner = names.profiles[names.trades[given["trade_id"]].profile]
    return {
        "client_order_id": ids.deterministic_id(
            node,
            sub_tag=owner.sub_tag,
            trade_id=given["trade_id"],
            purpose=given["purpose"],
            sequence=1 if sequence is None else values.whole(sequence, "sequence", least=1),
        )
    }


def _refuse_side_in_net_mode(fields: Fields, account: str, names: Names) -> None:
    node = fields.get("position_side")
    if node is not None and names.accounts[account].position_mode is PositionMode.NET:
        raise node.error(f"account {account!r} nets its positions: no order has a position_side")


def _read(
    fields: Fields,
    readers: Mapping[str, tuple[str, _Reader]],
    nullable: tuple[str, ...],
    names: Names,
) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key in fields:
        if key not in readers:
            continue
        name, read = readers[key]
        node = fields[key]
        given[name] = None if node.is_null and key in nullable else read(node, names)
    return given


def _history(node: Node | None, names: Names) -> list[DeliveredHistory]:
    seen: Counter[str] = Counter()
    rows = () if node is None else node.items("database.history")
    return [_history_row(row, names, seen) for row in rows]


def _history_row(node: Node, names: Names, seen: Counter[str]) -> DeliveredHistory:
    fields = node.fields(
        "a history row",
        required=("trade", "kind", "quantity", "at"),
        optional=("price", "fill_id", "order", "source", "fee", "fee_currency", "net_of_fee"),
    )
    trade_id = names.trade(fields["trade"])
    kind = HistoryKind(values.one_of(fields["kind"], "kind", DELIVERED_KINDS))
    quantity = values.positive(fields["quantity"], "quantity")
    executed_at = values.moment(fields["at"], "at", start=names.start)
    price = _optional(fields, "price", values.not_negative)
    fill_id = _optional(fields, "fill_id", values.text)
    order_node = fields.get("order")
    order = None if order_node is None else names.order(order_node)
    source, net = fields.get("source"), fields.get("net_of_fee")
    # The same row written again has the same id: a repeat, which a delivery recognises. Two equal
    # rows of one list are two rows, as two fills of one size and price are.
    content = evidence_hash([trade_id, kind, quantity, price, executed_at, fill_id, order])
    seen[content] += 1
    return DeliveredHistory(
        row_id=f"{kind.value}-{content[:32]}-{seen[content]}",
        trade_id=trade_id,
        kind=kind,
        quantity=quantity,
        executed_at=executed_at,
        price=price,
        fee=_optional(fields, "fee", values.amount),
        fee_currency=_optional(fields, "fee_currency", values.text),
        exchange_fill_id=fill_id,
        order_ref=None if order is None else _order_ref(names.orders[order]),
        net_of_fee=True if net is None else values.truth(net, "net_of_fee"),
        source=(
            HistorySource.BOT if source is None else values.word(source, "source", HistorySource)
        ),
    )


def _order_ref(order: DeliveredOrder) -> str | None:
    return order.client_order_id or order.exchange_order_id


def _optional(fields: Fields, name: str, read: Callable[[Node, str], Any]) -> Any:
    node = fields.get(name)
    return None if node is None else read(node, name)


def _positions(node: Node | None, names: Names) -> list[DeliveredPosition]:
    rows = () if node is None else node.items("database.positions")
    return [_position(row, names) for row in rows]


def _position(node: Node, names: Names) -> DeliveredPosition:
    fields = node.fields(
        "a position",
        required=("profile", "symbol", "direction", "quantity"),
        optional=("entry_price",),
    )
    return DeliveredPosition(
        profile=names.profile(fields["profile"]),
        symbol=names.symbol(fields["symbol"]),
        direction=values.word(fields["direction"], "direction", Direction),
        quantity=values.not_negative(fields["quantity"], "quantity"),
        entry_price=_optional(fields, "entry_price", values.not_negative),
    )
