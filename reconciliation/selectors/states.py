"""Rows → domain states, one function a row."""

from datetime import datetime
from decimal import Decimal

from reconciliation import models
from reconciliation.domain import books
from reconciliation.domain.positions import PositionState
from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import (
    Direction,
    FillKind,
    HistoryKind,
    HistorySource,
    MismatchStatus,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionSide,
    Purpose,
    Side,
    TradeStatus,
)


def trade_state(row: models.Trade) -> books.TradeState:
    """Return a trade row as the domain sees it."""
    return books.TradeState(
        id=row.pk,
        profile_id=row.profile_id,
        trade_id=row.trade_id,
        code=row.code,
        symbol=row.symbol,
        direction=Direction(row.direction),
        sub_tag=row.sub_tag,
        status=TradeStatus(row.status),
        entry_quantity=row.entry_quantity,
        exit_quantity=row.exit_quantity,
        average_entry_price=row.average_entry_price,
        average_exit_price=row.average_exit_price,
        reversals=row.reversals,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        version=row.version,
        last_activity_at=row.last_activity_at,
    )


def order_state(
    row: models.Order, leg_ids: tuple[str, ...] = (), looked_up_at: datetime | None = None
) -> books.OrderState:
    """Return an order row as the domain sees it, with its legs and when it was last asked for."""
    return books.OrderState(
        id=row.pk,
        profile_id=row.profile_id,
        trade_id=row.trade_id,
        purpose=None if row.purpose is None else Purpose(row.purpose),
        client_order_id=row.client_order_id,
        exchange_order_id=row.exchange_order_id,
        leg_ids=leg_ids,
        order_class=OrderClass(row.order_class),
        symbol=row.symbol,
        side=Side(row.side),
        position_side=None if row.position_side is None else PositionSide(row.position_side),
        type=OrderType(row.type),
        sub_tag=row.sub_tag,
        status=OrderStatus(row.status),
        quantity=row.quantity,
        price=row.price,
        filled_quantity=row.filled_quantity,
        average_price=row.average_price,
        end_reason=row.end_reason,
        created_at=row.created_at,
        last_activity_at=row.last_activity_at,
        version=row.version,
        looked_up_at=looked_up_at,
    )


def kept_fill(row: models.Fill) -> books.KeptFill:
    """Return a kept fill as the domain sees it; its raw answer stays in the database."""
    return books.KeptFill(
        id=row.pk,
        fill=ExchangeFill(
            fill_id=row.exchange_fill_id,
            symbol=row.symbol,
            side=Side(row.side),
            quantity=row.quantity,
            price=row.price,
            executed_at=row.executed_at,
            kind=FillKind(row.kind),
            exchange_order_id=row.exchange_order_id,
            client_order_id=row.client_order_id,
            sub_tag=row.sub_tag,
            trade_hint=row.trade_hint,
            position_side=None if row.position_side is None else PositionSide(row.position_side),
            fee=row.fee,
            fee_currency=row.fee_currency,
        ),
        allocated=row.allocated_quantity,
        set_aside=row.set_aside,
    )


def position_row(row: models.Position, slices: PositionState) -> books.PositionRow:
    """Return a position row beside the sum of its slices."""
    return books.PositionRow(
        id=row.pk,
        profile_id=row.profile_id,
        symbol=row.symbol,
        direction=Direction(row.direction),
        quantity=row.quantity,
        of_slices=slices.quantity,
        entry_price_of_slices=slices.entry_price,
        delivered_at=row.delivered_at,
    )


def open_mismatch(row: models.Mismatch) -> books.OpenMismatch:
    """Return an open mismatch as the domain sees it."""
    return books.OpenMismatch(
        id=row.pk,
        key=row.key,
        profile_id=row.profile_id,
        order_id=row.order_id,
        trade_id=row.trade_id,
        kind=row.kind,
        not_found_count=row.sighting.not_found_count,
        is_accepted=row.status == MismatchStatus.ACCEPTED,
        evidence_hash=row.evidence_hash,
    )


def history_row(
    row: models.TradeHistory, covered: Decimal, *, is_order_unnamed: bool = False
) -> books.HistoryRow:
    """Return a history row as the domain sees it."""
    return books.HistoryRow(
        id=row.pk,
        trade_id=row.trade_id,
        kind=HistoryKind(row.kind),
        source=HistorySource(row.source),
        quantity=row.quantity,
        booked_quantity=row.booked_quantity,
        order_id=row.order_id,
        exchange_fill_id=row.exchange_fill_id,
        covered=covered,
        is_order_unnamed=is_order_unnamed,
    )
