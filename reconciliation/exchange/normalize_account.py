"""OKX's rows about the account itself: positions, balances, margin, position mode, prices.

Pure, as `normalize` is. ccxt's own structures would show profit that is not realised as balance.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import groupby

from reconciliation.domain.amounts import ZERO, product, total, weighted_average
from reconciliation.domain.keys import canonical_json
from reconciliation.domain.types import ExchangePosition
from reconciliation.enums import PositionMode, PositionSide
from reconciliation.exchange.fields import Fields
from reconciliation.exchange.gateway import PermanentExchangeError
from reconciliation.exchange.instruments import InstrumentTable
from reconciliation.exchange.normalize import Reading, price_of

_POSITION_MODES = {"net_mode": PositionMode.NET, "long_short_mode": PositionMode.HEDGE}
_HELD_SIDES = {
    "net": PositionSide.NET,
    "long": PositionSide.LONG,
    "short": PositionSide.SHORT,
}


def normalize_positions(
    rows: Iterable[object], reading: Reading, *, position_mode: PositionMode
) -> tuple[ExchangePosition, ...]:
    """Return what is held, one entry a symbol and side, zero sizes left out.

    Cross and isolated rows of one symbol and side are added up. Raises `PermanentExchangeError`
    where a row's side is not one of the account's configured position mode.
    """
    held = [
        position for row in rows if (position := _position(row, reading, position_mode)) is not None
    ]
    held.sort(key=_position_key)
    sums = (_added_up(list(each)) for _, each in groupby(held, key=_position_key))
    return tuple(position for position in sums if position.quantity != 0)


def normalize_balances(row: object, table: InstrumentTable) -> dict[str, Decimal]:
    """Return the cash of each currency that has some: profit not realised is no balance."""
    return _by_currency(row, table, lambda detail: detail.required_amount("cashBal"))


def normalize_margin(row: object, table: InstrumentTable) -> dict[str, Decimal]:
    """Return the initial margin that the account has in use, by settlement currency."""
    return _by_currency(row, table, lambda detail: detail.amount("imr") or ZERO)


def normalize_position_mode(row: object) -> PositionMode:
    """Return whether the account nets its positions."""
    return Fields(row, kind="account", id_fields=("uid",)).word("posMode", _POSITION_MODES)


def normalize_price(
    row: object, *, exchange_id: str, name: str, id_field: str = "instId"
) -> Decimal:
    """Return the price that a row about one instrument gives under `name`; it is above zero.

    `id_field` is where the exchange says which instrument it answered for.
    """
    fields = Fields(row, kind="price of", id_fields=(id_field,))
    if fields.required_text(id_field) != exchange_id:
        raise fields.fault(id_field, f"is not {exchange_id}, which was asked for")
    price = fields.required_amount(name)
    if price <= 0:
        raise fields.fault(name, "is not above zero")
    return price


def envelope_problem(body: object) -> str | None:
    """Return what makes a parsed body no answer of the exchange, or None.

    Without this, ccxt takes a body that has no `data` as an answer without rows.
    """
    if not isinstance(body, Mapping):
        return f"the body is a {type(body).__name__}, not an object"
    if not isinstance(body.get("code"), str | int):
        return "the body has no code"
    # A refusal is named by its code; only what claims to be a success must carry rows.
    if str(body["code"]) == "0" and not isinstance(body.get("data"), list):
        return "the body has no list of data"
    return None


def _position(
    row: object, reading: Reading, position_mode: PositionMode
) -> ExchangePosition | None:
    fields = Fields(row, kind="position", id_fields=("instId", "posId"))
    instrument = reading.instrument(fields)
    if instrument is None:
        return None
    contracts = fields.required_amount("pos")
    side = fields.word("posSide", _HELD_SIDES)
    if contracts == 0:
        return None
    if (side == PositionSide.NET) != (position_mode == PositionMode.NET):
        raise PermanentExchangeError(
            f"{fields.what}: its side is {side.value}, but the account is configured with "
            f"position mode {position_mode.value}; set the account's position mode to what it "
            "has at the exchange"
        )
    if side == PositionSide.LONG and contracts < 0:
        raise fields.fault("pos", "is negative on the long side")
    # A short is positive contracts on its own side; a negative number there says the same twice.
    signed = contracts.copy_abs().copy_negate() if side == PositionSide.SHORT else contracts
    return ExchangePosition(
        symbol=instrument.symbol,
        side=side,
        quantity=fields.exact("pos in base units", product(signed, instrument.contract_size)),
        entry_price=price_of(fields, "avgPx"),
        mark_price=price_of(fields, "markPx"),
        initial_margin=fields.amount("imr"),
        raw=fields.raw(),
    )


def _position_key(position: ExchangePosition) -> tuple[str, str]:
    return (position.symbol, position.side.value)


def _added_up(rows: list[ExchangePosition]) -> ExchangePosition:
    first = rows[0]
    if len(rows) == 1:
        return first
    same_way = len({row.quantity > 0 for row in rows}) == 1
    priced = [
        (row.quantity.copy_abs(), row.entry_price) for row in rows if row.entry_price is not None
    ]
    return ExchangePosition(
        symbol=first.symbol,
        side=first.side,
        quantity=total(row.quantity for row in rows),
        entry_price=weighted_average(priced) if same_way and len(priced) == len(rows) else None,
        mark_price=next((row.mark_price for row in rows if row.mark_price is not None), None),
        initial_margin=_sum_of(row.initial_margin for row in rows),
        raw=canonical_json([row.raw for row in rows]),
    )


def _sum_of(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """Return the sum, None where a part is not known."""
    known = list(amounts)
    return None if None in known else total(each for each in known if each is not None)


def _by_currency(
    row: object, table: InstrumentTable, read: Callable[[Fields], Decimal]
) -> dict[str, Decimal]:
    account = Fields(row, kind="balance", id_fields=("uTime",))
    details = account.row.get("details")
    if not isinstance(details, list):
        raise account.fault("details", "is not a list")
    amounts: dict[str, Decimal] = {}
    for each in details:
        fields = Fields(each, kind="balance of", id_fields=("ccy",))
        code = fields.required_text("ccy")
        amount = read(fields)
        if amount != 0:
            amounts[table.currency(code) or code] = amount
    return amounts
