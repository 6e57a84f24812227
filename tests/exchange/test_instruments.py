"""The table of instruments: base units, what is left out and why, and its cache."""

from decimal import Decimal
from typing import Any

import pytest

from reconciliation.enums import InstrumentType
from reconciliation.exchange.fields import UnreadableAnswer
from reconciliation.exchange.gateway import (
    RetryableExchangeError,
    UnknownSymbol,
    Unsupported,
)
from reconciliation.exchange.instruments import InstrumentCache, InstrumentTable, table_from_markets
from tests.exchange.builders import BOTH, INVERSE, market, spot_market, table

SWAP_ONLY = frozenset({InstrumentType.SWAP})


def test_a_swap_is_stepped_in_base_units() -> None:
    instrument = table().instrument("BTC/USDT:USDT")

    assert instrument.type == InstrumentType.SWAP
    assert instrument.contract_size == Decimal("0.01")
    assert instrument.amount_step == Decimal("0.0001")
    assert instrument.price_tick == Decimal("0.1")
    assert (instrument.base, instrument.quote) == ("BTC", "USDT")


def test_spot_has_a_contract_size_of_one() -> None:
    instrument = table().instrument("BTC/USDT")

    assert (instrument.contract_size, instrument.amount_step) == (Decimal(1), Decimal("0.00001"))


def test_an_inverse_contract_is_left_out_with_the_reason() -> None:
    built = table()

    assert built.of_row("BTC-USD-SWAP") is None
    assert "no fixed size in base units" in built.skipped_symbols["BTC/USD:BTC"]
    with pytest.raises(Unsupported, match="no fixed size in base units"):
        built.instrument("BTC/USD:BTC")


def test_a_type_that_the_account_does_not_read_is_left_out() -> None:
    built = table_from_markets([market(), spot_market()], types=SWAP_ONLY, aliases={})

    assert built.of_row("BTC-USDT") is None
    assert set(built.by_symbol) == {"BTC/USDT:USDT"}


@pytest.mark.parametrize(
    "changes",
    [
        {"contractSize": None},
        {"contractSize": "0"},
        {"contractSize": 0.01},
        {"linear": False},
        {"precision": None},
        {"precision": {"amount": None, "price": "0.1"}},
        {"precision": {"amount": "0.01", "price": ""}},
        {"info_ctMult": "10"},
        {"info_ctValCcy": "USD"},
    ],
)
def test_a_listing_that_cannot_be_read_stops_only_what_is_of_it(changes: dict[str, Any]) -> None:
    built = table(market(id="ODD-USDT-SWAP", symbol="ODD/USDT:USDT", **changes))

    assert "BTC/USDT:USDT" in built.by_symbol
    assert "ODD/USDT:USDT" not in built.by_symbol
    with pytest.raises(UnreadableAnswer, match="ODD-USDT-SWAP"):
        built.of_row("ODD-USDT-SWAP")
    with pytest.raises(Unsupported):
        built.instrument("ODD/USDT:USDT")


def test_what_is_not_listed_is_unknown() -> None:
    with pytest.raises(UnknownSymbol):
        table().instrument("NEW/USDT:USDT")
    with pytest.raises(UnknownSymbol):
        table().of_row("NEW-USDT-SWAP")


@pytest.mark.parametrize("markets", [[], [market()], [spot_market(), INVERSE]])
def test_a_list_without_any_instrument_of_a_wanted_type_is_no_answer(
    markets: list[dict[str, Any]],
) -> None:
    with pytest.raises(RetryableExchangeError, match="lists no instruments of type"):
        table_from_markets(markets, types=BOTH, aliases={})


def test_precision_in_decimal_places_is_not_taken_for_a_step() -> None:
    with pytest.raises(RetryableExchangeError):
        table_from_markets([market()], types=SWAP_ONLY, aliases={}, precision_mode=2)


class Loads:
    """A loader that counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> InstrumentTable:
        self.count += 1
        return table()


def test_a_table_is_loaded_once_until_it_is_too_old() -> None:
    cache, loads = InstrumentCache(), Loads()

    for now in (0.0, 59.9, 60.0, 100.0):
        cache.get("okx", load=loads, now=now, max_age_seconds=60)

    assert loads.count == 2


def test_exchanges_do_not_share_a_table() -> None:
    cache, loads = InstrumentCache(), Loads()

    cache.get(("okx", None), load=loads, now=0, max_age_seconds=60)
    cache.get(("okx", "http://127.0.0.1:1/paper"), load=loads, now=0, max_age_seconds=60)

    assert loads.count == 2


def test_a_load_that_failed_is_not_remembered() -> None:
    cache, loads = InstrumentCache(), Loads()

    def fail() -> InstrumentTable:
        raise RetryableExchangeError("down")

    with pytest.raises(RetryableExchangeError):
        cache.get("okx", load=fail, now=0, max_age_seconds=60)
    cache.get("okx", load=loads, now=1, max_age_seconds=60)

    assert loads.count == 1


def test_a_cleared_cache_loads_again() -> None:
    cache, loads = InstrumentCache(), Loads()

    cache.get("okx", load=loads, now=0, max_age_seconds=60)
    cache.clear()
    cache.get("okx", load=loads, now=0, max_age_seconds=60)

    assert loads.count == 2
