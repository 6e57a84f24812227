"""What holds for any row: contracts and base units are one another exactly, order is nothing."""

from decimal import Context, Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.domain.amounts import plain
from reconciliation.domain.types import ExchangePosition
from reconciliation.enums import PositionMode
from reconciliation.exchange.gateway import ExchangeError
from reconciliation.exchange.normalize import Reading, normalize_fill, normalize_order
from reconciliation.exchange.normalize_account import normalize_positions
from tests.exchange.builders import fill_row, market, order_row, position_row, reading, table

EXACT = Context(prec=80)
CONTRACT_SIZES = ["0.01", "0.1", "1", "10", "1000", "0.0001", "1000000", "0.005"]

contract_sizes = st.sampled_from(CONTRACT_SIZES)
contracts = st.decimals(min_value=Decimal("0.01"), max_value=Decimal("99999999"), places=6)


def reading_of(contract_size: str) -> Reading:
    other = market(
        id="ANY-USDT-SWAP",
        symbol="ANY/USDT:USDT",
        base="ANY",
        baseId="ANY",
        contractSize=contract_size,
        info_ctValCcy="ANY",
    )
    return reading(table=table(other))


READINGS = {size: reading_of(size) for size in CONTRACT_SIZES}


@settings(deadline=None)
@given(contracts=contracts, contract_size=contract_sizes)
def test_base_units_are_contracts_times_contract_size_to_the_last_digit(
    contracts: Decimal, contract_size: str
) -> None:
    row = fill_row(instId="ANY-USDT-SWAP", fillSz=plain(contracts))

    fill = normalize_fill(row, READINGS[contract_size])

    assert fill is not None
    assert fill.quantity == EXACT.multiply(contracts, Decimal(contract_size))
    assert EXACT.divide(fill.quantity, Decimal(contract_size)) == contracts


@settings(deadline=None)
@given(contracts=contracts, contract_size=contract_sizes)
def test_an_order_a_fill_and_a_position_of_the_same_contracts_are_the_same_quantity(
    contracts: Decimal, contract_size: str
) -> None:
    size, chosen = plain(contracts), READINGS[contract_size]

    order = normalize_order(order_row(instId="ANY-USDT-SWAP", sz=size), chosen)
    fill = normalize_fill(fill_row(instId="ANY-USDT-SWAP", fillSz=size), chosen)
    (held,) = normalize_positions(
        [position_row(instId="ANY-USDT-SWAP", pos=size)], chosen, position_mode=PositionMode.NET
    )

    assert order is not None
    assert fill is not None
    assert order.quantity == fill.quantity == held.quantity


rows = st.lists(
    st.builds(
        position_row,
        instId=st.sampled_from(["BTC-USDT-SWAP", "BTC-USD-SWAP"]),
        posSide=st.sampled_from(["long", "short"]),
        pos=st.integers(0, 5).map(str),
        mgnMode=st.sampled_from(["cross", "isolated"]),
    ),
    max_size=6,
)


@settings(deadline=None)
@given(rows=rows, data=st.data())
def test_the_order_of_position_rows_does_not_matter(
    rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(rows))

    assert held(rows) == held(shuffled)


@settings(deadline=None)
@given(rows=rows)
def test_a_symbol_and_side_is_held_once_and_never_with_a_size_of_zero(
    rows: list[dict[str, Any]],
) -> None:
    positions = read(rows)

    assert len({(each.symbol, each.side) for each in positions}) == len(positions)
    assert all(each.quantity != 0 for each in positions)


def read(rows: list[dict[str, Any]]) -> tuple[ExchangePosition, ...]:
    return normalize_positions(rows, reading(), position_mode=PositionMode.HEDGE)


def held(rows: list[dict[str, Any]]) -> list[tuple[str, str, Decimal]]:
    return [(each.symbol, each.side, each.quantity) for each in read(rows)]


@settings(deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=12),
        st.floats(),
        st.integers(),
        st.none(),
        st.booleans(),
        st.lists(st.integers(), max_size=2),
    ),
    field=st.sampled_from(sorted(order_row())),
)
def test_whatever_a_field_holds_an_order_is_read_or_refused_by_name(
    text: object, field: str
) -> None:
    try:
        order = normalize_order(order_row(**{field: text}), reading())
    except ExchangeError:
        return
    assert order is None or order.exchange_order_id
