"""Both sides of a difference as an audit event or a mismatch shows them: plain, exact, complete."""

from reconciliation.domain.amounts import plain
from reconciliation.domain.books import OrderState, TradeState
from reconciliation.domain.types import ExchangeFill, ExchangeOrder


def fill_as_evidence(fill: ExchangeFill) -> dict[str, object]:
    """Return the facts of a fill that an audit event or a mismatch shows."""
    return {
        "fill_id": fill.fill_id,
        "exchange_order_id": fill.exchange_order_id,
        "client_order_id": fill.client_order_id,
        "sub_tag": fill.sub_tag,
        "symbol": fill.symbol,
        "side": fill.side,
        "kind": fill.kind,
        "quantity": plain(fill.quantity),
        "price": plain(fill.price),
        "fee": None if fill.fee is None else plain(fill.fee),
        "fee_currency": fill.fee_currency,
        "executed_at": fill.executed_at,
    }


def order_as_evidence(order: OrderState) -> dict[str, object]:
    """Return what an audit event or a mismatch shows of an order."""
    return {
        "client_order_id": order.client_order_id,
        "exchange_order_id": order.exchange_order_id,
        "purpose": order.purpose,
        "status": order.status,
        "quantity": plain(order.quantity),
        "filled_quantity": plain(order.filled_quantity),
        "price": None if order.price is None else plain(order.price),
        "average_price": None if order.average_price is None else plain(order.average_price),
        "end_reason": order.end_reason,
    }


def shown_as_evidence(shown: ExchangeOrder) -> dict[str, object]:
    """Return what an audit event or a mismatch shows of an exchange order."""
    return {
        "exchange_order_id": shown.exchange_order_id,
        "client_order_id": shown.client_order_id,
        "status": shown.status,
        "quantity": None if shown.quantity is None else plain(shown.quantity),
        "filled_quantity": None if shown.filled_quantity is None else plain(shown.filled_quantity),
        "price": None if shown.price is None else plain(shown.price),
        "average_price": None if shown.average_price is None else plain(shown.average_price),
    }


def trade_as_evidence(trade: TradeState) -> dict[str, object]:
    """Return what an audit event shows of a trade."""
    return {
        "trade_id": trade.trade_id,
        "status": trade.status,
        "direction": trade.direction,
        "entry_quantity": plain(trade.entry_quantity),
        "exit_quantity": plain(trade.exit_quantity),
    }
