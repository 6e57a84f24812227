"""What the exchange shows and no known order explains: orders to adopt, and what is nobody's."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from reconciliation.domain.amounts import total
from reconciliation.domain.attribution import Attribution, Conflict, Owners, attribute, owners_of
from reconciliation.domain.books import Books, KeptFill, TradeState
from reconciliation.domain.order_diff import group_fills, is_recent, match_listed
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.types import (
    AccountSnapshot,
    ExchangeFill,
    ExchangeOrder,
    LookUp,
    OrderFound,
    OrderNotFound,
)
from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    HOLDING_TRADE_STATUSES,
    AttributionMode,
    PositionSide,
    Purpose,
)

OrderKey = tuple[str, str]
"""Symbol and exchange order id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unowned:
    """An exchange order, or a fill, of no known order, and the row of the table that holds."""

    rule: OrderRule
    shown: ExchangeOrder | None
    fills: tuple[KeptFill, ...]
    attribution: Attribution | None
    why: str = ""


def entry_orders_to_look_up(
    books: Books, snapshot: AccountSnapshot, *, grace: timedelta, limit: int
) -> tuple[tuple[OrderKey, ...], int]:
    """Return the unknown orders whose fills a client id proves to be entries, oldest first.

    Also how many must wait for a later cycle. Orders that are listed as open need no look-up.
    """
    owners = owners_of(books)
    listed = {(shown.symbol, shown.exchange_order_id) for shown in snapshot.listed_orders()}
    wanted = [
        key
        for key, fills in fills_by_unknown_order(books).items()
        if key not in listed
        and key not in books.decided_orders
        and any(is_proven_entry(kept.fill, owners) for kept in fills)
        and not is_recent(
            (kept.fill.executed_at for kept in fills), as_of=snapshot.as_of, grace=grace
        )
    ]
    return tuple(wanted[:limit]), max(len(wanted) - limit, 0)


def diff_unowned(
    books: Books,
    snapshot: AccountSnapshot,
    look_ups: Mapping[OrderKey, LookUp],
    *,
    grace: timedelta,
) -> tuple[Unowned, ...]:
    """Return what belongs to no known order: each open order and each unexplained fill.

    A fill that an open slice could be closed by is left to the backfill's gates.
    """
    owners = owners_of(books)
    by_order = fills_by_unknown_order(books)
    known = {id(shown) for shown in match_listed(books, snapshot).values()}
    findings: list[Unowned] = []
    explained: set[int] = set()
    for shown in snapshot.listed_orders():
        key = (shown.symbol, shown.exchange_order_id)
        fills = by_order.get(key, ())
        if id(shown) in known or key in books.decided_orders or _is_known(shown, books):
            continue
        if _is_before_baseline(shown, books):
            continue
        moments = [shown.created_at, shown.updated_at]
        moments += [kept.fill.executed_at for kept in fills]
        explained |= {kept.id for kept in fills}
        if not is_recent(moments, as_of=snapshot.as_of, grace=grace):
            findings.append(_judge_open(shown, fills, owners))
    for found, keys in _by_newest_leg(look_ups).values():
        if _is_known(found, books):  # the bot may have delivered it meanwhile
            continue
        fills = tuple(kept for key in keys for kept in by_order.get(key, ()))
        attribution = attribute(found, owners)
        if not isinstance(attribution, Attribution) or not _is_entry(attribution):
            continue
        lives = found.status in ACTIVE_ORDER_STATUSES  # adopted from the list of open orders
        if not lives and adoptable_quantity(found, fills) is None:
            continue
        explained |= {kept.id for kept in fills}
        if not lives:
            findings.append(
                Unowned(
                    rule=OrderRule.UNKNOWN_CLOSED_ENTRY,
                    shown=found,
                    fills=fills,
                    attribution=attribution,
                )
            )
    findings += _unexplained(books, snapshot, owners, explained, look_ups, grace)
    return tuple(findings)


def listed_of_nobody(books: Books, snapshot: AccountSnapshot) -> frozenset[OrderKey]:
    """Return the orders that are listed as open and are in no book, decided on or not."""
    known = {id(shown) for shown in match_listed(books, snapshot).values()}
    return frozenset(
        (shown.symbol, shown.exchange_order_id)
        for shown in snapshot.listed_orders()
        if id(shown) not in known
        and not _is_known(shown, books)
        and not _is_before_baseline(shown, books)
    )


def owned_by_now(books: Books) -> frozenset[OrderKey]:
    """Return the orders that waited for a person and are in the books in the meantime."""
    ids = {(order.symbol, name) for order in books.orders.values() for name in order.exchange_ids}
    return books.waiting_orders & ids


def could_close(fill: ExchangeFill, trade: TradeState) -> bool:
    """Return whether a fill is on the closing side of a slice: symbol, side, position side."""
    if fill.symbol != trade.symbol or fill.side != trade.side_of(Purpose.EXIT):
        return False
    if fill.position_side in (None, PositionSide.NET):
        return True
    return str(fill.position_side) == str(trade.direction)


def _judge_open(shown: ExchangeOrder, fills: tuple[KeptFill, ...], owners: Owners) -> Unowned:
    attribution = attribute(shown, owners)
    sized = adoptable_quantity(shown, fills) is not None
    if isinstance(attribution, Attribution) and sized:
        return Unowned(
            rule=OrderRule.UNKNOWN_OPEN_ATTRIBUTABLE,
            shown=shown,
            fills=fills,
            attribution=attribution,
        )
    why = "nothing on it names a profile of this account"
    if isinstance(attribution, Attribution):
        why = f"it is {attribution.profile.name}'s, and does not say its quantity in base units"
    if isinstance(attribution, Conflict):
        why = attribution.sentence
    return Unowned(
        rule=OrderRule.UNKNOWN_OPEN_NOBODYS, shown=shown, fills=fills, attribution=None, why=why
    )


def adoptable_quantity(shown: ExchangeOrder, fills: tuple[KeptFill, ...]) -> Decimal | None:
    """Return the quantity under which an order can become a row, None where it has none.

    A market order sized in quote currency has none of its own: once it ended, it is what its
    fills add up to.
    """
    if shown.created_at is None:
        return None
    if shown.quantity is not None and shown.quantity > 0:
        return shown.quantity
    visible = total(kept.fill.quantity for kept in fills)
    ended = shown.status not in ACTIVE_ORDER_STATUSES
    return visible if ended and visible > 0 else None


def _unexplained(
    books: Books,
    snapshot: AccountSnapshot,
    owners: Owners,
    explained: set[int],
    look_ups: Mapping[OrderKey, LookUp],
    grace: timedelta,
) -> list[Unowned]:
    """Return the fills that moved the account's position and that no book knows of."""
    holding = [trade for trade in books.trades.values() if trade.status in HOLDING_TRADE_STATUSES]
    findings = []
    for key, fills in fills_by_unknown_order(books).items():
        if key in books.decided_orders:
            continue
        for kept in fills:
            fill = kept.fill
            # An entry that its client id proves is adopted once its order has answered.
            unanswered = not isinstance(look_ups.get(key), OrderFound | OrderNotFound)
            waits = (
                kept.id in explained
                or is_recent([fill.executed_at], as_of=snapshot.as_of, grace=grace)
                or any(could_close(fill, trade) for trade in holding)
                or (unanswered and is_proven_entry(fill, owners))
            )
            if waits or (books.baseline_at is not None and fill.executed_at < books.baseline_at):
                continue
            attribution = attribute(fill, owners)
            findings.append(
                Unowned(
                    rule=OrderRule.UNEXPLAINED_FILL,
                    shown=None,
                    fills=(kept,),
                    attribution=attribution if isinstance(attribution, Attribution) else None,
                    why=attribution.sentence if isinstance(attribution, Conflict) else "",
                )
            )
    return findings


def fills_by_unknown_order(books: Books) -> dict[OrderKey, tuple[KeptFill, ...]]:
    """Return the unbooked fills of no known order, oldest order first.

    What a person set aside is asked about no more.
    """
    owned = {kept.id for group in group_fills(books).values() for kept in group}
    groups: dict[OrderKey, list[KeptFill]] = {}
    unbooked = (kept for kept in books.fills if kept.remaining > 0 and not kept.set_aside)
    free = [kept for kept in unbooked if kept.id not in owned]
    for kept in sorted(free, key=lambda kept: (kept.fill.executed_at, kept.fill.fill_id, kept.id)):
        # A fill without an order (a liquidation) is a group of its own.
        name = kept.fill.exchange_order_id or f"fill {kept.fill.fill_id}"
        groups.setdefault((kept.fill.symbol, name), []).append(kept)
    return {key: tuple(group) for key, group in groups.items()}


def _by_newest_leg(
    look_ups: Mapping[OrderKey, LookUp],
) -> dict[OrderKey, tuple[ExchangeOrder, dict[OrderKey, None]]]:
    """Return each order that was found, once, with the keys of all its legs.

    What replaced an order under the same client order id is the same order, whichever of its legs
    was asked for.
    """
    orders: dict[OrderKey, tuple[ExchangeOrder, dict[OrderKey, None]]] = {}
    for key, look_up in sorted(look_ups.items(), key=lambda item: item[0]):
        if isinstance(look_up, OrderFound):
            newest = look_up.order
            name = (newest.symbol, newest.exchange_order_id)
            _, keys = orders.setdefault(name, (newest, {}))
            keys |= {key: None}
            keys |= {(leg.symbol, leg.exchange_order_id): None for leg in look_up.legs}
    return orders


def _is_known(shown: ExchangeOrder, books: Books) -> bool:
    """Return whether a listed order is ours by any of its ids, though another leg was matched."""
    return any(
        order.symbol == shown.symbol
        and (
            shown.exchange_order_id in order.exchange_ids
            or (shown.parent_id is not None and shown.parent_id in order.exchange_ids)
            or (
                shown.client_order_id is not None and shown.client_order_id == order.client_order_id
            )
        )
        for order in books.orders.values()
    )


def _is_before_baseline(shown: ExchangeOrder, books: Books) -> bool:
    return (
        books.baseline_at is not None
        and shown.created_at is not None
        and shown.created_at < books.baseline_at
    )


def is_proven_entry(fill: ExchangeFill, owners: Owners) -> bool:
    """Return whether a fill's client order id proves that it entered a trade."""
    attribution = attribute(fill, owners)
    return isinstance(attribution, Attribution) and _is_entry(attribution)


def _is_entry(attribution: Attribution) -> bool:
    """Return whether it is an entry by its client order id; a tag alone never suffices."""
    return (
        attribution.mode == AttributionMode.CLIENT_ORDER_ID
        and attribution.purpose == Purpose.ENTRY
        and attribution.trade_code is not None
    )
