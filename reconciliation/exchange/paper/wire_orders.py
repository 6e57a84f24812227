"""Orders, algo orders and fills as rows of the exchange's answers.

A fee is negative when charged. `tradeIdHint` is ours: the explicit trade id hint, on rows that
carry one.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from reconciliation.exchange.paper.answers import Row
from reconciliation.exchange.paper.records import PaperFill, PaperOrder
from reconciliation.exchange.paper.store import AccountView
from reconciliation.exchange.paper.units import instrument_id, instrument_type, plain, size, total
from reconciliation.exchange.paper.wire import (
    CROSS_MARGIN,
    LEVERAGE,
    SETTLED_IN_CASH,
    ms_text,
    position_side_text,
)

_MARKET_ORDER_PRICE = "-1"
_TRIGGERED_BY_STOP = "7"
_TRIGGERED_BY_TRAILING_STOP = "25"
_CANCELED_BY_USER = "1"
_ALGO_TYPES = {"conditional": "conditional", "oco": "oco", "trailing": "move_order_stop"}
_ALGO_STATES = {
    "live": "live",
    "partially_filled": "partially_effective",
    "filled": "effective",
    "canceled": "canceled",
}
_CATEGORIES = {"liquidation": "full_liquidation", "adl": "adl", "delivery": "delivery"}

# Sub types by (kind, position side or side): one-way and spot fills go by their side, hedge-mode
# fills by the position they opened or closed.
_TRADE_SUB_TYPES = {
    ("net", "buy"): "1",
    ("net", "sell"): "2",
    ("long", "buy"): "3",
    ("short", "sell"): "4",
    ("long", "sell"): "5",
    ("short", "buy"): "6",
}
_SYSTEM_SUB_TYPES = {
    ("liquidation", "long"): "104",
    ("liquidation", "short"): "105",
    ("liquidation", "buy"): "106",
    ("liquidation", "sell"): "107",
    ("adl", "long"): "125",
    ("adl", "short"): "126",
    ("adl", "buy"): "127",
    ("adl", "sell"): "128",
    # A delivery names the position it ends: selling ends a long one.
    ("delivery", "long"): "112",
    ("delivery", "short"): "113",
    ("delivery", "sell"): "112",
    ("delivery", "buy"): "113",
}


def order_row(view: AccountView, order: PaperOrder, now: datetime) -> Row:
    """Return a regular order; a triggered child names its algo order."""
    instrument = view.instruments[order.symbol]
    what = f"order {order.exchange_order_id}"
    fills = visible_fills(view, order, now)
    last = fills[-1] if fills else None
    parent = view.orders_by_id.get(order.parent) if order.parent else None
    return _with_hint(order.trade_hint) | {
        "accFillSz": size(what, instrument, order.filled),
        "algoClOrdId": (parent.client_order_id or "") if parent else "",
        "algoId": order.parent or "",
        "attachAlgoClOrdId": "",
        "attachAlgoOrds": [],
        "avgPx": plain(order.average_price),
        "cTime": ms_text(order.created_at),
        "cancelSource": _CANCELED_BY_USER if order.state == "canceled" else "",
        "cancelSourceReason": "",
        "category": next((_CATEGORIES[f.kind] for f in fills if f.kind in _CATEGORIES), "normal"),
        "ccy": "",
        "clOrdId": order.client_order_id or "",
        "fee": plain(_paid_back(fills)),
        "feeCcy": next((f.fee_currency for f in fills if f.fee_currency), ""),
        "fillPx": plain(last.price) if last else "",
        "fillSz": size(what, instrument, last.quantity) if last else "0",
        "fillTime": ms_text(last.executed_at) if last else "",
        "instId": instrument_id(instrument),
        "instType": instrument_type(instrument),
        "isTpLimit": "false",
        "lever": LEVERAGE if instrument.is_swap else "",
        "linkedAlgoOrd": {"algoId": ""},
        "ordId": order.exchange_order_id,
        "ordType": order.type,
        "pnl": "0",
        "posSide": position_side_text(order.position_side),
        "px": plain(order.price),
        "rebate": "0",
        "rebateCcy": instrument.quote,
        "reduceOnly": _flag(order.reduce_only),
        "side": order.side,
        "source": _source(order, parent),
        "state": order.state,
        "stpMode": "cancel_maker",
        "sz": size(what, instrument, order.quantity),
        "tag": order.tag or "",
        "tdMode": CROSS_MARGIN if instrument.is_swap else SETTLED_IN_CASH,
        # Without it a spot market buy would be read as a size in quote currency.
        "tgtCcy": "base_ccy" if order.type == "market" and not instrument.is_swap else "",
        "tradeId": last.fill_id if last else "",
        "uTime": ms_text(changed_at(order, fills)),
    }


def algo_row(view: AccountView, algo: PaperOrder) -> Row:
    """Return an algo order; one that was triggered is effective and names its child orders."""
    instrument = view.instruments[algo.symbol]
    what = f"order {algo.exchange_order_id}"
    children = sorted(
        view.children.get(algo.exchange_order_id, ()), key=lambda child: child.created_at
    )
    latest = children[-1] if children else None
    trailing = algo.order_class == "trailing"
    trigger = plain(algo.trigger_price)
    return _with_hint(algo.trade_hint) | {
        "activePx": "",
        "actualPx": plain(latest.average_price or latest.price) if latest else "",
        "actualSide": "sl" if latest and not trailing else "",
        "actualSz": size(what, instrument, total(c.quantity for c in children)),
        "algoClOrdId": algo.client_order_id or "",
        "algoId": algo.exchange_order_id,
        "attachAlgoOrds": [],
        "cTime": ms_text(algo.created_at),
        "callbackRatio": "",
        "callbackSpread": "",
        "ccy": "",
        "clOrdId": "",
        "closeFraction": "",
        "failCode": "",
        "instId": instrument_id(instrument),
        "instType": instrument_type(instrument),
        "last": plain(instrument.mark),
        "lever": LEVERAGE if instrument.is_swap else "",
        "moveTriggerPx": trigger if trailing else "",
        "ordId": latest.exchange_order_id if latest else "",
        "ordIdList": [child.exchange_order_id for child in children],
        "ordPx": "",
        "ordType": algo_type(algo),
        "posSide": position_side_text(algo.position_side),
        "reduceOnly": _flag(algo.reduce_only),
        "side": algo.side,
        "slOrdPx": "" if trailing else plain(algo.price) or _MARKET_ORDER_PRICE,
        "slTriggerPx": "" if trailing else trigger,
        "slTriggerPxType": "" if trailing else "last",
        "state": algo_state(view, algo),
        "sz": size(what, instrument, algo.quantity),
        "tag": algo.tag or "",
        "tdMode": CROSS_MARGIN if instrument.is_swap else SETTLED_IN_CASH,
        "tgtCcy": "",
        "tpOrdPx": "",
        "tpTriggerPx": "",
        "tpTriggerPxType": "",
        "triggerPx": "",
        "triggerPxType": "",
        "triggerTime": ms_text(latest.created_at) if latest else "",
        "uTime": ms_text(algo.updated_at or (latest.created_at if latest else algo.created_at)),
    }


def fill_row(view: AccountView, fill: PaperFill) -> Row:
    instrument = view.instruments[fill.symbol]
    order = view.orders_by_id.get(fill.exchange_order_id) if fill.exchange_order_id else None
    return _with_hint(fill.trade_hint) | {
        "billId": fill.fill_id,
        "clOrdId": fill.client_order_id or "",
        "execType": execution_type(fill, order),
        "fee": "" if fill.fee is None else plain(fill.fee.copy_negate()),
        "feeCcy": fill.fee_currency or "",
        "feeRate": "",
        "fillFwdPx": "",
        "fillIdxPx": "",
        "fillMarkPx": "",
        "fillMarkVol": "",
        "fillPnl": "0",
        "fillPx": plain(fill.price),
        "fillPxUsd": "",
        "fillPxVol": "",
        "fillSz": size(f"fill {fill.fill_id}", instrument, fill.quantity),
        "fillTime": ms_text(fill.executed_at),
        "instId": instrument_id(instrument),
        "instType": instrument_type(instrument),
        "ordId": fill.exchange_order_id or "",
        "posSide": position_side_text(fill.position_side),
        "side": fill.side,
        "subType": sub_type(fill),
        "tag": fill.tag or "",
        "tradeId": fill.fill_id,
        "ts": ms_text(fill.executed_at),
    }


def sub_type(fill: PaperFill) -> str:
    """Return the code that tells a trade from a liquidation, an ADL and a delivery."""
    if fill.kind == "trade":
        return _TRADE_SUB_TYPES[fill.position_side or "net", fill.side]
    return _SYSTEM_SUB_TYPES[fill.kind, fill.position_side or fill.side]


def execution_type(fill: PaperFill, order: PaperOrder | None) -> str:
    """Return maker or taker by the order's type; system orders have neither."""
    if fill.kind != "trade":
        return ""
    return "M" if order is not None and order.type in ("limit", "post_only") else "T"


def algo_type(algo: PaperOrder) -> str:
    return _ALGO_TYPES[algo.order_class]


def algo_state(view: AccountView, algo: PaperOrder) -> str:
    if view.children.get(algo.exchange_order_id):
        return "effective"
    return _ALGO_STATES[algo.state]


def algo_behind(view: AccountView, algo_id: str) -> PaperOrder | None:
    """Return the algo order of an id, also one that only its triggered child speaks of."""
    known = view.orders_by_id.get(algo_id)
    if known is not None and known.is_algo:
        return known
    children = view.children.get(algo_id)
    if not children:
        return None
    return replace(
        known or replace(children[0], client_order_id=None, parent=None),
        exchange_order_id=algo_id,
        order_class="conditional",
        state="filled",
    )


def visible_fills(view: AccountView, order: PaperOrder, now: datetime) -> list[PaperFill]:
    """Return the fills of an order that are shown by now, oldest first."""
    fills = view.fills_by_order.get(order.exchange_order_id, ())
    return sorted(
        (fill for fill in fills if fill.is_visible(now)), key=lambda fill: fill.executed_at
    )


def changed_at(order: PaperOrder, fills: Iterable[PaperFill]) -> datetime:
    """Return when an order last changed, as far as it is known: its last fill, or its start."""
    if order.updated_at is not None:
        return order.updated_at
    return max((fill.executed_at for fill in fills), default=order.created_at)


def _with_hint(trade_hint: str | None) -> Row:
    return {} if trade_hint is None else {"tradeIdHint": trade_hint}


def _paid_back(fills: Iterable[PaperFill]) -> Decimal:
    return total(fill.fee for fill in fills if fill.fee is not None).copy_negate()


def _source(order: PaperOrder, parent: PaperOrder | None) -> str:
    if order.parent is None:
        return ""
    trailing = parent is not None and parent.order_class == "trailing"
    return _TRIGGERED_BY_TRAILING_STOP if trailing else _TRIGGERED_BY_STOP


def _flag(value: bool) -> str:
    return "true" if value else "false"
