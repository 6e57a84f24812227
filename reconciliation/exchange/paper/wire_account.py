"""What an account is and holds, as rows of the exchange's answers.

Margin in use (`imr`, `mmr`) is always derived from the true positions, one formula for the
position rows and for the balance: an answer about positions that lies is contradicted by the
balance. Equity is cash plus unrealised profit, as at the exchange, so that only `cashBal` is cash.
"""

import zlib
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from reconciliation.exchange.paper.answers import Row
from reconciliation.exchange.paper.records import (
    ZERO,
    HeldPosition,
    PaperFill,
    PaperInstrument,
    PaperPosition,
)
from reconciliation.exchange.paper.store import AccountView, Bill
from reconciliation.exchange.paper.units import (
    instrument_id,
    instrument_type,
    plain,
    size,
    times,
    total,
)
from reconciliation.exchange.paper.wire import (
    CROSS_MARGIN,
    LEVERAGE,
    SETTLED_IN_CASH,
    ms_text,
)
from reconciliation.exchange.paper.wire_orders import execution_type, sub_type

# A tenth and four thousandths keep every margin exact, so that rows add up to the balance.
INITIAL_MARGIN_RATE = Decimal(1) / Decimal(LEVERAGE)
MAINTENANCE_MARGIN_RATE = Decimal("0.004")

_MULTI_CURRENCY_MARGIN = "3"
_TRADING_ACCOUNT = "18"
_FUNDING_ACCOUNT = "6"
_BILL_TYPES = {"trade": "2", "delivery": "3", "liquidation": "5", "funding": "8", "adl": "9"}
_TRANSFER_BILL = "1"


def config_row(view: AccountView) -> Row:
    return {
        "acctLv": _MULTI_CURRENCY_MARGIN,
        "autoLoan": False,
        "ctIsoMode": "automatic",
        "greeksType": "PA",
        "ip": "",
        "label": "paper",
        "level": "Lv1",
        "mainUid": _number(view.name),
        "mgnIsoMode": "automatic",
        "perm": view.permissions,
        "posMode": "net_mode" if view.position_mode == "net" else "long_short_mode",
        "spotOffsetType": "",
        "uid": _number(view.name),
    }


def position_row(view: AccountView, held: HeldPosition) -> Row:
    position, instrument = held.position, view.instruments[held.position.symbol]
    notional = _notional(instrument, position)
    return {
        "adl": "1",
        "availPos": "",
        "avgPx": plain(position.entry_price),
        "cTime": ms_text(held.opened_at),
        "ccy": instrument.quote,
        "imr": plain(times(notional, INITIAL_MARGIN_RATE)),
        "instId": instrument_id(instrument),
        "instType": instrument_type(instrument),
        "interest": "",
        "last": plain(instrument.mark),
        "lever": LEVERAGE,
        "liab": "",
        "liabCcy": "",
        "liqPx": "",
        "margin": "",
        "markPx": plain(instrument.mark),
        "mgnMode": CROSS_MARGIN,
        "mgnRatio": "",
        "mmr": plain(times(notional, MAINTENANCE_MARGIN_RATE)),
        "notionalUsd": plain(notional),
        "optVal": "",
        "pos": size(f"position {position.symbol}", instrument, position.quantity),
        "posCcy": "",
        "posId": _number(f"{view.name} {position.symbol} {position.side}"),
        "posSide": position.side,
        "realizedPnl": "",
        "tradeId": "",
        "uTime": ms_text(held.changed_at),
        "upl": plain(_unrealised(instrument, position)),
        "uplRatio": "",
    }


def balance_row(view: AccountView, now: datetime) -> Row:
    """Return every currency that is held, owed, frozen or used as margin, and their sum in USD."""
    notional, unrealised = _by_settlement(view)
    frozen = _frozen_by_spot_orders(view)
    currencies = sorted({*view.balances, *notional, *frozen})
    equity = {
        currency: view.balances.get(currency, ZERO) + unrealised.get(currency, ZERO)
        for currency in currencies
    }
    prices = _usd_prices(view)
    worth = {
        currency: times(equity[currency], prices.get(currency, ZERO)) for currency in currencies
    }
    at = ms_text(now)
    return {
        "adjEq": plain(total(worth.values())),
        "details": [
            _currency_row(
                currency,
                at=at,
                cash=view.balances.get(currency, ZERO),
                equity=equity[currency],
                worth=worth[currency],
                notional=notional.get(currency, ZERO),
                frozen=frozen.get(currency, ZERO),
            )
            for currency in currencies
        ],
        "imr": plain(times(total(notional.values()), INITIAL_MARGIN_RATE)),
        "isoEq": "0",
        "mgnRatio": "",
        "mmr": plain(times(total(notional.values()), MAINTENANCE_MARGIN_RATE)),
        "notionalUsd": plain(total(notional.values())),
        "ordFroz": "0",
        "totalEq": plain(total(worth.values())),
        "uTime": at,
        "upl": plain(total(unrealised.values())),
    }


def bill_row(view: AccountView, bill: Bill) -> Row:
    """Return one change of a balance: a fill, a funding payment or a transfer."""
    if isinstance(bill, PaperFill):
        return _fill_bill_row(view, bill)
    row = _empty_bill_row(bill.transfer_id, ms_text(bill.at), bill_currency(view, bill))
    deposit = bill.amount > ZERO
    return row | {
        "balChg": plain(bill.amount),
        "from": _FUNDING_ACCOUNT if deposit else _TRADING_ACCOUNT,
        "subType": "11" if deposit else "12",
        "sz": plain(abs(bill.amount)),
        "to": _TRADING_ACCOUNT if deposit else _FUNDING_ACCOUNT,
        "type": _TRANSFER_BILL,
    }


def bill_type(bill: Bill) -> str:
    return _BILL_TYPES[bill.kind] if isinstance(bill, PaperFill) else _TRANSFER_BILL


def bill_currency(view: AccountView, bill: Bill) -> str:
    """Return the currency whose balance a bill changes."""
    if not isinstance(bill, PaperFill):
        return bill.currency
    instrument = view.instruments[bill.symbol]
    return instrument.quote if instrument.is_swap else instrument.base


def _fill_bill_row(view: AccountView, fill: PaperFill) -> Row:
    instrument = view.instruments[fill.symbol]
    order = view.orders_by_id.get(fill.exchange_order_id) if fill.exchange_order_id else None
    fee = ZERO if fill.fee is None else fill.fee
    currency = bill_currency(view, fill)
    traded = ZERO if instrument.is_swap else fill.quantity
    gained = traded if fill.side == "buy" else traded.copy_negate()
    charged = fee if fill.fee_currency in (currency, None) else ZERO
    funding = fill.kind == "funding"
    row = _empty_bill_row(fill.fill_id, ms_text(fill.executed_at), currency)
    return row | {
        "balChg": plain(total((gained, charged.copy_negate()))),
        "clOrdId": fill.client_order_id or "",
        "execType": execution_type(fill, order),
        "fee": "0" if funding else plain(fee.copy_negate()),
        "fillTime": ms_text(fill.executed_at),
        "instId": instrument_id(instrument),
        "instType": instrument_type(instrument),
        "mgnMode": CROSS_MARGIN if instrument.is_swap else SETTLED_IN_CASH,
        "ordId": fill.exchange_order_id or "",
        # A funding payment is profit or loss, and no fee.
        "pnl": plain(fee.copy_negate()) if funding else "0",
        "px": plain(fill.price),
        "subType": _funding_sub_type(fee) if funding else sub_type(fill),
        "sz": size(f"fill {fill.fill_id}", instrument, fill.quantity),
        "tag": fill.tag or "",
        "tradeId": "" if funding else fill.fill_id,
        "type": bill_type(fill),
    }


def _funding_sub_type(paid: Decimal) -> str:
    return "173" if paid > ZERO else "174"


def _empty_bill_row(bill_id: str, at: str, currency: str) -> Row:
    blank = dict.fromkeys(
        ("bal", "clOrdId", "execType", "fillTime", "from", "instId", "instType", "interest",
         "mgnMode", "notes", "ordId", "posBal", "px", "tag", "to", "tradeId"),
        "",
    )  # fmt: skip
    zero = dict.fromkeys(("fee", "pnl", "posBalChg"), "0")
    return {**blank, **zero, "billId": bill_id, "ccy": currency, "ts": at}


def _currency_row(
    currency: str,
    *,
    at: str,
    cash: Decimal,
    equity: Decimal,
    worth: Decimal,
    notional: Decimal,
    frozen: Decimal,
) -> Row:
    initial = times(notional, INITIAL_MARGIN_RATE)
    return {
        "availBal": plain(max(cash - frozen - initial, ZERO)),
        "availEq": plain(max(equity - frozen - initial, ZERO)),
        "cashBal": plain(cash),
        "ccy": currency,
        "crossLiab": "",
        "disEq": plain(worth),
        "eq": plain(equity),
        "eqUsd": plain(worth),
        "frozenBal": plain(frozen + initial),
        "imr": plain(initial),
        "interest": "",
        "isoEq": "0",
        "liab": "",
        "maxLoan": "",
        "mgnRatio": "",
        "mmr": plain(times(notional, MAINTENANCE_MARGIN_RATE)),
        "notionalLever": "",
        "ordFrozen": plain(frozen),
        "uTime": at,
        "upl": plain(equity - cash),
    }


def _by_settlement(view: AccountView) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Return (notional, unrealised profit) of the true positions by what they settle in."""
    notional: dict[str, Decimal] = {}
    unrealised: dict[str, Decimal] = {}
    for held in view.positions:
        instrument = view.instruments[held.position.symbol]
        profit = _unrealised(instrument, held.position)
        _add(notional, instrument.quote, _notional(instrument, held.position))
        _add(unrealised, instrument.quote, ZERO if profit is None else profit)
    return notional, unrealised


def _frozen_by_spot_orders(view: AccountView) -> dict[str, Decimal]:
    frozen: dict[str, Decimal] = {}
    for order in view.orders.rows:
        instrument = view.instruments[order.symbol]
        if instrument.is_swap or order.is_algo or not order.is_open:
            continue
        remaining = max(order.quantity - order.filled, ZERO)
        if order.side == "sell":
            _add(frozen, instrument.base, remaining)
        elif order.price is not None:
            _add(frozen, instrument.quote, times(remaining, order.price))
    return frozen


def _usd_prices(view: AccountView) -> dict[str, Decimal]:
    """Return what a currency is worth: its mark, and one for a currency that marks are in."""
    prices = {each.base: each.mark for each in _swaps_first(view.instruments.values())}
    return prices | {each.quote: Decimal(1) for each in view.instruments.values()}


def _swaps_first(instruments: Iterable[PaperInstrument]) -> list[PaperInstrument]:
    # So that the spot price, which comes later, is the one that stays.
    return sorted(instruments, key=lambda instrument: not instrument.is_swap)


def _notional(instrument: PaperInstrument, position: PaperPosition) -> Decimal:
    return times(abs(position.quantity), instrument.mark)


def _unrealised(instrument: PaperInstrument, position: PaperPosition) -> Decimal | None:
    if position.entry_price is None:
        return None
    return times(instrument.mark - position.entry_price, position.signed)


def _add(sums: dict[str, Decimal], currency: str, amount: Decimal) -> None:
    sums[currency] = sums.get(currency, ZERO) + amount


def _number(text: str) -> str:
    """Return a stable number for a name, since ids are numbers at the exchange."""
    return str(zlib.crc32(text.encode()))
