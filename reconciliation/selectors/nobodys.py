"""What belongs to nobody, as a decision needs it: the item, its mismatch, and where it may go."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.dateparse import parse_datetime

from reconciliation.domain.books import ProfileState, TradeState
from reconciliation.domain.id_patterns import ClientOrderIdPattern
from reconciliation.domain.keys import trade_code
from reconciliation.domain.plans.adoption import external_key
from reconciliation.domain.plans.nobodys import Destination, Orphan
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import (
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Side,
)
from reconciliation.models import (
    ExternalOrder,
    Fill,
    MarkPrice,
    Mismatch,
    Order,
    OrderLeg,
    Profile,
    Trade,
)
from reconciliation.selectors.states import trade_state


def open_mismatch_of(account_id: int, key: str, *, lock: bool = True) -> Mismatch | None:
    """Return the mismatch of that key that is not resolved, locked unless it is only looked at."""
    rows = Mismatch.objects.all()
    if lock:
        rows = rows.select_for_update(no_key=True, of=("self",))
    found = rows.filter(account_id=account_id, key=key).current()
    return found.first()


def external_mismatch(row: ExternalOrder, *, lock: bool = True) -> Mismatch | None:
    """Return the open mismatch that an external order is."""
    key = external_key(row.symbol, row.exchange_order_id)
    return open_mismatch_of(row.account_id, key, lock=lock)


def fill_mismatch(row: Fill, *, lock: bool = True) -> Mismatch | None:
    """Return the open mismatch that a fill of nobody is."""
    return open_mismatch_of(row.account_id, f"fill:{row.pk}", lock=lock)


def shown_external(row: ExternalOrder, mismatch: Mismatch | None) -> ExchangeOrder:
    """Return an external order as the exchange showed it, as far as that was kept.

    When it was placed is when it was first seen, unless its mismatch says better.
    """
    terms = _mapping(None if mismatch is None else mismatch.exchange_side.get("terms"))
    created = parse_datetime(str(terms.get("created_at") or ""))
    side = terms.get("position_side")
    return ExchangeOrder(
        exchange_order_id=row.exchange_order_id,
        symbol=row.symbol,
        side=Side(row.side),
        type=OrderType(
            terms.get("type") or (OrderType.MARKET if row.price is None else OrderType.LIMIT)
        ),
        order_class=OrderClass(terms.get("order_class") or OrderClass.REGULAR),
        status=OrderStatus.OPEN,
        quantity=row.quantity,
        filled_quantity=None,
        price=row.price,
        average_price=None,
        created_at=created or row.first_seen_at,
        updated_at=None,
        client_order_id=row.client_order_id,
        sub_tag=row.sub_tag,
        trade_hint=str(terms["trade_hint"]) if terms.get("trade_hint") else None,
        position_side=PositionSide(side) if side else None,
    )


def orphan_of(row: Mismatch) -> Orphan | None:
    """Return what an orphan's mismatch says; None where it does not name quantity and side."""
    side = row.key.removeprefix(f"parity:{row.symbol}:").split(":")[0]
    if row.drift is None or side not in PositionSide.values:
        return None
    exchange = _mapping(row.exchange_side)
    return Orphan(
        mismatch_id=row.pk,
        symbol=row.symbol,
        side=PositionSide(side),
        excess=row.drift,
        entry_price=_price(exchange.get("entry_price")),
        mark=_price(exchange.get("mark")),
        seen_at=row.opened_at,
    )


def load_mark(account_id: int, symbol: str) -> Decimal | None:
    """Return the last mark that was read of a symbol, if any was."""
    marks = MarkPrice.objects.filter(account_id=account_id, symbol=symbol)
    return marks.values_list("price", flat=True).first()


def find_trade(account_id: int, trade_id: str, sub_tag: str | None = None) -> Trade | None:
    """Return a trade by its id, or by the code that client order ids name it by."""
    account = Trade.objects.filter(account_id=account_id).select_related("profile")
    found = account.filter(trade_id=trade_id).first()
    if found is None and sub_tag is not None:
        by_code = account.filter(profile__sub_tag=sub_tag, code=trade_code(sub_tag, trade_id))
        found = by_code.first()
    return found


def load_destination(
    profile: Profile,
    trade_id: str,
    item: ExchangeOrder | ExchangeFill | None,
    pattern: ClientOrderIdPattern | None,
) -> Destination:
    """Return where something shall go, with all that could make it somebody else's."""
    account = Profile.objects.filter(account_id=profile.account_id)
    states = {
        row.pk: ProfileState(id=row.pk, name=row.name, sub_tag=row.sub_tag) for row in account
    }
    trade: TradeState | None = None
    if trade_id:
        row = find_trade(profile.account_id, trade_id, profile.sub_tag)
        trade = None if row is None else trade_state(row)
    return Destination(
        profile=states[profile.pk],
        trade_id=trade_id,
        trade=trade,
        profiles=states,
        named=frozenset() if item is None else _named(profile.account_id, item, pattern),
        pattern=pattern,
    )


def is_of_known_order(row: Fill) -> bool:
    """Return whether a fill is of an order in the books: then the cycles book it."""
    orders = Order.objects.filter(account_id=row.account_id, symbol=row.symbol)
    legs = OrderLeg.objects.filter(account_id=row.account_id, symbol=row.symbol)
    by_id, by_client = row.exchange_order_id, row.client_order_id
    return bool(
        (by_id and orders.filter(exchange_order_id=by_id).exists())
        or (by_id and legs.filter(exchange_order_id=by_id).exists())
        or (by_client and orders.filter(client_order_id=by_client).exists())
    )


def _named(
    account_id: int, item: ExchangeOrder | ExchangeFill, pattern: ClientOrderIdPattern | None
) -> frozenset[int]:
    """Return the profiles whose trades an item names outright."""
    owner = None if pattern is None else pattern.read(item.client_order_id)
    names = {item.trade_hint, None if owner is None else owner.trade_id} - {None}
    trades = Trade.objects.filter(account_id=account_id, trade_id__in=[n for n in names if n])
    return frozenset(trades.values_list("profile_id", flat=True))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _price(value: object) -> Decimal | None:
    try:
        price = None if value is None else Decimal(str(value))
    except InvalidOperation:
        return None
    return price if price is not None and price.is_finite() and price > 0 else None
