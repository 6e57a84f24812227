"""Options are checked by name; what is wrong is said with what would be right."""

import pytest

from reconciliation.enums import InstrumentType
from reconciliation.exchange.gateway import PermanentExchangeError
from reconciliation.exchange.options import parse_options


def test_okx_reads_spot_and_swaps_and_its_tag_by_default() -> None:
    options = parse_options("okx", {})

    assert options.instrument_types == frozenset(InstrumentType)
    assert (options.sub_tag_field, options.trade_hint_field) == ("tag", "tradeIdHint")
    assert options.pace == 1


def test_deribit_keeps_its_tag_in_the_label() -> None:
    assert parse_options("deribit", {}).sub_tag_field == "label"


def test_another_exchange_reads_one_type() -> None:
    assert parse_options("bybit", {}).instrument_types == {InstrumentType.SWAP}
    with pytest.raises(PermanentExchangeError, match="takes one type"):
        parse_options("bybit", {"instrument_types": ["spot", "swap"]})


@pytest.mark.parametrize(
    ("exchange_id", "kind"),
    [("binance", "spot"), ("kraken", "spot"), ("binanceusdm", "swap"), ("deribit", "swap")],
)
def test_an_exchange_reads_what_it_serves_by_default(exchange_id: str, kind: str) -> None:
    assert parse_options(exchange_id, {}).instrument_types == {InstrumentType(kind)}


@pytest.mark.parametrize(
    ("exchange_id", "kind", "instead"),
    [
        ("binance", "swap", "binanceusdm"),
        ("binanceusdm", "spot", "exchange binance"),
        ("kraken", "swap", "krakenfutures"),
    ],
)
def test_a_type_that_is_served_elsewhere_is_refused_with_the_place(
    exchange_id: str, kind: str, instead: str
) -> None:
    with pytest.raises(PermanentExchangeError, match=instead):
        parse_options(exchange_id, {"instrument_types": [kind]})


def test_without_a_field_the_sub_tag_begins_the_client_order_id() -> None:
    options = parse_options("bybit", {})

    assert (options.sub_tag_field, options.sub_tag_separator) == ("", "-")
    assert parse_options("bybit", {"sub_tag_separator": "_"}).sub_tag_separator == "_"


def test_symbols_are_all_that_an_account_trades() -> None:
    assert parse_options("binance", {}).symbols == frozenset()
    assert parse_options("binance", {"symbols": ["BTC/USDT"]}).symbols == {"BTC/USDT"}


def test_options_replace_the_defaults() -> None:
    options = parse_options(
        "okx", {"instrument_types": ["swap"], "sub_tag_field": "label", "pace": 0.5}
    )

    assert options.instrument_types == {InstrumentType.SWAP}
    assert (options.sub_tag_field, options.pace) == ("label", 0.5)


def test_an_unknown_option_is_refused_with_a_close_name() -> None:
    with pytest.raises(PermanentExchangeError, match="did you mean sub_tag_field"):
        parse_options("okx", {"sub_tag_feild": "tag"})


@pytest.mark.parametrize(
    "options",
    [
        {"instrument_types": []},
        {"instrument_types": ["future"]},
        {"instrument_types": 5},
        {"pace": -1},
        {"pace": "fast"},
        {"pace": True},
        {"sub_tag_field": None},
        {"ccxt": ["a"]},
        {"symbols": "BTC/USDT"},
        {"symbols": ["BTCUSDT"]},
        {"symbols": [5]},
        {"sub_tag_separator": 1},
    ],
)
def test_an_option_of_a_wrong_form_is_refused_by_name(options: dict[str, object]) -> None:
    with pytest.raises(PermanentExchangeError, match=next(iter(options))):
        parse_options("okx", options)
