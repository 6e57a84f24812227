"""Adopt exchange orders of a profile that the books do not know, and show what is nobody's.

An adopted order is first given a place in the books, under an id below zero that no row has; then
the ordinary plan treats it like any other order. Applying the change gives it its real id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.attribution import Attribution, attribute, owners_of
from reconciliation.domain.books import Books, KeptFill, OrderState, ProfileState, TradeState
from reconciliation.domain.order_diff import OrderFinding, group_fills, match_listed
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.plans.changes import ExternalOrderDraft, MismatchDraft
from reconciliation.domain.plans.evidence import fill_as_evidence, shown_as_evidence
from reconciliation.domain.types import AccountSnapshot, ExchangeOrder, LookUp, OrderFound
from reconciliation.domain.unowned import Unowned, adoptable_quantity
from reconciliation.enums import (
    Direction,
    MismatchKind,
    OrderStatus,
    Purpose,
    Side,
    TradeStatus,
)

ADOPTED_TRADE_PREFIX = "adopted-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoptions:
    """The books with the adopted orders in them, and what is found about these."""

    books: Books
    findings: tuple[OrderFinding, ...]


def place_adoptions(books: Books, unowned: Sequence[Unowned]) -> Adoptions:
    """Give each order that can be adopted a place in the books.

    Entries come first, so that an exit finds the trade that its entry opens.
    """
    orders, trades = dict(books.orders), dict(books.trades)
    findings = []
    for number, item in sorted(enumerate(unowned, start=1), key=lambda each: not _enters(each[1])):
        if item.attribution is None or item.shown is None:
            continue
        quantity = adoptable_quantity(item.shown, item.fills)
        if quantity is None:
            continue
        trade = _trade_for(item, item.shown, item.attribution, trades, temporary_id=-number)
        order = adopted_order(
            item.shown,
            profile_id=item.attribution.profile.id,
            trade=trade,
            purpose=item.attribution.purpose,
            quantity=quantity,
            temporary_id=-number,
        )
        orders[order.id] = order
        findings.append(
            OrderFinding(rule=item.rule, order=order, shown=item.shown, fills=item.fills)
        )
    return Adoptions(books=replace(books, orders=orders, trades=trades), findings=tuple(findings))


def find_missing_trades(
    books: Books, snapshot: AccountSnapshot, look_ups: Mapping[int, LookUp]
) -> Books:
    """Return the books in which orders without a trade have the one that evidence names by now.

    An order may be adopted before the trading system has said anything of its trade. One that has
    ended by then is shown no more, and its fills say whose it is.
    """
    owners = owners_of(books)
    listed = match_listed(books, snapshot)
    fills = group_fills(books)
    orders = dict(books.orders)
    for order in books.orders.values():
        look_up = look_ups.get(order.id)
        shown = listed.get(order.id) or (look_up.order if isinstance(look_up, OrderFound) else None)
        evidence = shown or next((kept.fill for kept in fills.get(order.id, ())), None)
        if order.trade_id is not None or evidence is None:
            continue
        found = attribute(evidence, owners)
        if (
            isinstance(found, Attribution)
            and found.trade is not None
            and found.profile.id == order.profile_id
        ):
            orders[order.id] = replace(order, trade_id=found.trade.id, purpose=found.purpose)
    return replace(books, orders=orders)


def draft_nobodys(
    unowned: Sequence[Unowned],
) -> tuple[tuple[MismatchDraft, ...], tuple[ExternalOrderDraft, ...]]:
    """Return the mismatches of what belongs to nobody, and the orders to put before a person."""
    mismatches, externals = [], []
    for item in unowned:
        if item.rule == OrderRule.UNKNOWN_OPEN_NOBODYS and item.shown is not None:
            externals.append(ExternalOrderDraft(shown=item.shown, why=item.why))
            mismatches.append(_external_mismatch(item, item.shown))
        elif item.rule == OrderRule.UNEXPLAINED_FILL:
            mismatches += [_fill_mismatch(item, kept) for kept in item.fills]
    return tuple(mismatches), tuple(externals)


def external_key(symbol: str, exchange_order_id: str) -> str:
    """Return the name of the difference that an exchange order without a row is."""
    return f"exchange-order:{symbol}:{exchange_order_id}"


def _enters(item: Unowned) -> bool:
    return item.attribution is not None and item.attribution.purpose == Purpose.ENTRY


def _trade_for(
    item: Unowned,
    shown: ExchangeOrder,
    attribution: Attribution,
    trades: dict[int, TradeState],
    *,
    temporary_id: int,
) -> TradeState | None:
    """Return the trade of an adopted order, opened for it where its client id names a new one."""
    if attribution.trade is not None:
        return trades[attribution.trade.id]
    if attribution.trade_code is None or attribution.purpose is None:
        return None
    named = (attribution.profile.id, attribution.trade_code)
    known = next((t for t in trades.values() if (t.profile_id, t.code) == named), None)
    if known is not None:  # opened by another order of this very cycle
        side = known.side_of(attribution.purpose)
        return known if (known.symbol, side) == (shown.symbol, shown.side) else None
    if attribution.purpose != Purpose.ENTRY:
        return None
    moments = [kept.fill.executed_at for kept in item.fills]
    if shown.created_at is not None:
        moments.append(shown.created_at)
    if not moments:
        return None
    trade = opened_trade(
        profile=attribution.profile,
        trade_id=attribution.trade_name or ADOPTED_TRADE_PREFIX + attribution.trade_code,
        code=attribution.trade_code,
        symbol=shown.symbol,
        direction=Direction.LONG if shown.side == Side.BUY else Direction.SHORT,
        opened_at=min(moments),
        temporary_id=temporary_id,
    )
    trades[trade.id] = trade
    return trade


def opened_trade(
    *,
    profile: ProfileState,
    trade_id: str,
    code: str,
    symbol: str,
    direction: Direction,
    opened_at: datetime,
    temporary_id: int,
) -> TradeState:
    """Return a slice that holds nothing yet, under an id that no row has."""
    return TradeState(
        id=temporary_id,
        profile_id=profile.id,
        trade_id=trade_id,
        code=code,
        symbol=symbol,
        direction=direction,
        sub_tag=profile.sub_tag,
        status=TradeStatus.PENDING,
        entry_quantity=ZERO,
        exit_quantity=ZERO,
        average_entry_price=None,
        average_exit_price=None,
        reversals=0,
        opened_at=opened_at,
        closed_at=None,
        version=0,
    )


def adopted_order(
    shown: ExchangeOrder,
    *,
    profile_id: int,
    trade: TradeState | None,
    purpose: Purpose | None,
    quantity: Decimal,
    temporary_id: int,
) -> OrderState:
    """Return the row that an exchange order becomes, open and with nothing booked yet.

    Without a trade it has no purpose either. It needs a time of creation (`adoptable_quantity`).
    """
    created_at = shown.created_at
    assert created_at is not None  # noqa: S101  (adoptable_quantity)
    return OrderState(
        id=temporary_id,
        profile_id=profile_id,
        trade_id=None if trade is None else trade.id,
        purpose=None if trade is None else purpose,
        client_order_id=shown.client_order_id,
        exchange_order_id=shown.exchange_order_id,
        leg_ids=(),
        order_class=shown.order_class,
        symbol=shown.symbol,
        side=shown.side,
        position_side=shown.position_side,
        type=shown.type,
        sub_tag=shown.sub_tag,
        status=OrderStatus.OPEN,
        quantity=quantity,
        price=shown.price,
        filled_quantity=ZERO,
        average_price=None,
        end_reason="",
        created_at=created_at,
        last_activity_at=shown.updated_at or created_at,
        version=0,
    )


def _external_mismatch(item: Unowned, shown: ExchangeOrder) -> MismatchDraft:
    return MismatchDraft(
        key=external_key(shown.symbol, shown.exchange_order_id),
        kind=MismatchKind.MISSING_IN_DB,
        profile_id=None,
        symbol=shown.symbol,
        drift=None,
        database_side={},
        exchange_side={
            "rule": item.rule.name,
            "order": shown_as_evidence(shown),
            # What a person who adopts it needs beside that.
            "terms": {
                "type": shown.type,
                "order_class": shown.order_class,
                "position_side": shown.position_side,
                "created_at": shown.created_at,
                "trade_hint": shown.trade_hint,
            },
            "why": item.why,
        },
    )


def _fill_mismatch(item: Unowned, kept: KeptFill) -> MismatchDraft:
    remaining = kept.remaining
    return MismatchDraft(
        key=f"fill:{kept.id}",
        kind=MismatchKind.UNATTRIBUTED_FILL,
        profile_id=None,
        symbol=kept.fill.symbol,
        drift=remaining if kept.fill.side == Side.BUY else -remaining,
        database_side={"booked": plain(kept.allocated)},
        exchange_side={
            "rule": item.rule.name,
            "fill": fill_as_evidence(kept.fill),
            "why": item.why or "no slice explains it, and none could be closed by it",
        },
    )
