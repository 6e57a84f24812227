"""What a gateway reads over HTTP from the paper exchange, with the real ccxt client."""

from datetime import timedelta
from decimal import Decimal

import pytest

from reconciliation.enums import (
    InstrumentType,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Side,
)
from reconciliation.exchange.ccxt_gateway import CcxtGateway, clear_instrument_cache
from reconciliation.exchange.gateway import (
    PermanentExchangeError,
    UnknownSymbol,
    Unsupported,
)
from reconciliation.exchange.paper.book import PaperAccount
from tests.exchange.builders import PaperWorld, as_gateway
from tests.exchange.paper.builders import NOW, SPOT, SWAP, fill, order, position


def test_instruments_are_read_in_base_units(world: PaperWorld) -> None:
    instruments = as_gateway(world.gateway).load_instruments()

    assert instruments[SWAP].amount_step == Decimal("0.0001")
    assert instruments[SWAP].contract_size == Decimal("0.01")
    assert instruments[SPOT].contract_size == 1
    assert instruments[SPOT].type == InstrumentType.SPOT


def test_instruments_cost_two_requests_and_no_key(world: PaperWorld) -> None:
    world.gateway.load_instruments()

    assert [each.path for each in world.exchange.requests] == [
        "/api/v5/public/instruments?instType=SPOT",
        "/api/v5/public/instruments?instType=SWAP",
    ]


def test_gateways_of_one_process_share_the_instruments(world: PaperWorld) -> None:
    world.gateway.load_instruments()
    world.gateway.load_instruments()
    world.connect().load_instruments()

    assert world.asked("instruments") == 2


def test_instruments_are_read_anew_when_they_are_old(world: PaperWorld) -> None:
    world.gateway.load_instruments()
    world.monotonic.pass_time(3601)
    world.gateway.begin_cycle(budget_seconds=30)
    world.gateway.load_instruments()

    assert world.asked("instruments") == 4


def test_a_restart_forgets_the_instruments(world: PaperWorld) -> None:
    world.gateway.load_instruments()
    clear_instrument_cache()
    world.gateway.load_instruments()

    assert world.asked("instruments") == 4


def test_an_account_that_reads_swaps_only_asks_for_swaps_only(world: PaperWorld) -> None:
    gateway = world.connect(options={"instrument_types": ["swap"]})

    assert set(gateway.load_instruments()) == {SWAP, "ETH/USDT:USDT"}
    assert world.asked("instruments") == 1
    assert gateway.instrument_types == (InstrumentType.SWAP,)
    assert set(gateway.load_skipped_instruments()) == set()


def test_open_orders_are_read_by_class(world: PaperWorld) -> None:
    world.account.put_orders(
        [
            order("1001", client_order_id="c1", tag="alpha01"),
            order("1002", symbol=SPOT, side="sell"),
            order("1003", state="filled", filled=Decimal("0.5")),
            order("5001", order_class="conditional", side="sell", type="market", price=None),
            order("5002", order_class="oco", side="sell"),
            order("5003", order_class="trailing", side="sell"),
        ]
    )

    listed = {each: world.gateway.fetch_open_orders(each) for each in OrderClass}

    assert {
        each: {found.exchange_order_id for found in part.orders} for each, part in listed.items()
    } == {
        OrderClass.REGULAR: {"1001", "1002"},
        OrderClass.CONDITIONAL: {"5001"},
        OrderClass.OCO: {"5002"},
        OrderClass.TRAILING: {"5003"},
    }
    assert {part.order_class for part in listed.values()} == set(OrderClass)
    regular = {each.exchange_order_id: each for each in listed[OrderClass.REGULAR].orders}
    assert regular["1001"].quantity == Decimal("0.5")
    assert (regular["1001"].client_order_id, regular["1001"].sub_tag) == ("c1", "alpha01")
    (conditional,) = listed[OrderClass.CONDITIONAL].orders
    assert (conditional.type, conditional.price) == (OrderType.MARKET, None)


def test_every_class_is_listed_apart(world: PaperWorld) -> None:
    assert set(world.gateway.order_classes) == set(OrderClass)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_every_open_order_is_read_once_however_many_there_are(
    world: PaperWorld, count: int
) -> None:
    world.account.put_orders(
        [order(str(1000 + each), created_at=NOW - timedelta(seconds=each)) for each in range(count)]
    )

    orders = world.gateway.fetch_open_orders(OrderClass.REGULAR).orders

    assert sorted(each.exchange_order_id for each in orders) == sorted(
        str(1000 + each) for each in range(count)
    )


def test_open_orders_are_as_of_before_the_first_request(world: PaperWorld) -> None:
    times = iter([NOW, NOW + timedelta(seconds=5), NOW + timedelta(seconds=9)])
    gateway = world.connect(clock=lambda: next(times))

    assert gateway.fetch_open_orders(OrderClass.CONDITIONAL).as_of == NOW


def test_an_order_is_asked_for_by_its_exchange_id(world: PaperWorld) -> None:
    world.account.put_orders([order("1001", client_order_id="c1")])
    world.forget()

    found = world.gateway.fetch_order(
        symbol=SWAP,
        exchange_order_id="1001",
        client_order_id="c1",
        order_class=OrderClass.REGULAR,
    )

    assert found is not None
    assert found.exchange_order_id == "1001"
    assert world.queries() == [{"instId": "BTC-USDT-SWAP", "ordId": "1001"}]


def test_an_order_that_is_not_known_by_its_exchange_id_is_asked_for_by_its_client_id(
    world: PaperWorld,
) -> None:
    world.account.put_orders([order("1002", client_order_id="c1")])
    world.forget()

    found = world.gateway.fetch_order(
        symbol=SWAP,
        exchange_order_id="1001",
        client_order_id="c1",
        order_class=OrderClass.REGULAR,
    )

    assert found is not None
    assert found.exchange_order_id == "1002"
    assert [set(query) for query in world.queries()] == [{"instId", "ordId"}, {"instId", "clOrdId"}]


@pytest.mark.parametrize("order_class", list(OrderClass))
@pytest.mark.parametrize(
    ("exchange_id", "client_id", "requests"), [("1", "c9", 2), ("1", None, 1), (None, "c9", 1)]
)
def test_an_order_that_is_known_by_no_id_is_none(
    world: PaperWorld,
    order_class: OrderClass,
    exchange_id: str | None,
    client_id: str | None,
    requests: int,
) -> None:
    world.forget()

    found = world.gateway.fetch_order(
        symbol=SWAP,
        exchange_order_id=exchange_id,
        client_order_id=client_id,
        order_class=order_class,
    )

    assert found is None
    assert world.asked("order") == requests


def test_an_order_without_an_id_is_not_asked_for(world: PaperWorld) -> None:
    with pytest.raises(PermanentExchangeError, match="none was given"):
        world.gateway.fetch_order(
            symbol=SWAP,
            exchange_order_id=None,
            client_order_id=None,
            order_class=OrderClass.REGULAR,
        )


def test_a_triggered_algo_order_is_open_and_names_its_child(world: PaperWorld) -> None:
    world.account.put_orders(
        [
            order("5001", order_class="conditional", side="sell", client_order_id="a1"),
            order("1007", side="sell", parent="5001", state="filled", filled=Decimal("0.5")),
        ]
    )

    parent = world.gateway.fetch_order(
        symbol=SWAP,
        exchange_order_id="5001",
        client_order_id=None,
        order_class=OrderClass.CONDITIONAL,
    )
    child = world.gateway.fetch_order(
        symbol=SWAP,
        exchange_order_id="1007",
        client_order_id=None,
        order_class=OrderClass.REGULAR,
    )

    assert parent is not None
    assert (parent.status, parent.child_ids) == (OrderStatus.OPEN, ("1007",))
    assert parent.client_order_id == "a1"
    assert child is not None
    assert (child.exchange_order_id, child.parent_id) == ("1007", "5001")
    assert child.status == OrderStatus.FILLED


def test_a_canceled_order_keeps_what_was_filled(world: PaperWorld) -> None:
    world.account.put_orders(
        [order("1001", state="canceled", filled=Decimal("0.2"), average_price=Decimal("60000"))]
    )

    found = world.gateway.fetch_order(
        symbol=SWAP,
        exchange_order_id="1001",
        client_order_id=None,
        order_class=OrderClass.REGULAR,
    )

    assert found is not None
    assert (found.status, found.filled_quantity) == (OrderStatus.CANCELED, Decimal("0.2"))


def test_the_fills_of_an_order_are_all_its_fills_and_no_others(world: PaperWorld) -> None:
    world.account.put_fills(
        [
            fill(str(9000 + each), quantity=Decimal("0.001"), executed_at=NOW - timedelta(hours=1))
            for each in range(150)
        ]
    )
    world.account.put_fills([fill("8000", exchange_order_id="1002")])

    fills = world.gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="1001")

    assert {each.fill_id for each in fills} == {str(9000 + each) for each in range(150)}
    assert len(fills) == 150


def test_an_order_without_fills_has_none(world: PaperWorld) -> None:
    assert world.gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="1001") == ()


def test_a_fill_is_read_with_its_fee_its_tags_and_its_own_id(world: PaperWorld) -> None:
    world.account.put_fills(
        [fill("9001", tag="alpha01", client_order_id="c1", trade_hint="T1", fee=Decimal("-0.5"))]
    )

    (read,) = world.gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="1001")

    assert (read.fill_id, read.side, read.quantity) == ("9001", Side.BUY, Decimal("0.5"))
    assert (read.fee, read.fee_currency) == (Decimal("-0.5"), "USDT")
    assert (read.sub_tag, read.client_order_id, read.trade_hint) == ("alpha01", "c1", "T1")
    assert read.executed_at == NOW - timedelta(hours=1)


def test_positions_are_signed_base_units_and_never_zero(world: PaperWorld) -> None:
    world.account.include_flat_positions = True
    world.account.put_positions([position("-0.5"), position("0", symbol="ETH/USDT:USDT")])

    (held,) = world.gateway.fetch_positions()

    assert (held.symbol, held.side, held.quantity) == (SWAP, PositionSide.NET, Decimal("-0.5"))
    assert held.mark_price == Decimal("60000")
    assert world.gateway.fetch_positions(SWAP) == (held,)
    assert world.gateway.fetch_positions("ETH/USDT:USDT") == ()


def test_hedge_mode_gives_both_sides(world: PaperWorld) -> None:
    hedged = PaperAccount("hedged", position_mode="hedge")
    hedged.put_positions([position("0.5", "long"), position("0.2", "short")])
    gateway = world.connect(hedged)

    held = {each.side: each.quantity for each in gateway.fetch_positions(SWAP)}

    assert held == {PositionSide.LONG: Decimal("0.5"), PositionSide.SHORT: Decimal("-0.2")}
    assert gateway.fetch_position_mode() == PositionMode.HEDGE


def test_a_wrongly_configured_position_mode_is_an_error(world: PaperWorld) -> None:
    hedged = PaperAccount("hedged", position_mode="hedge")
    hedged.put_positions([position("0.5", "long")])
    gateway = world.connect(hedged, position_mode="net")

    with pytest.raises(PermanentExchangeError, match="position mode"):
        gateway.fetch_positions()


def test_the_position_mode_is_the_exchanges_word(world: PaperWorld) -> None:
    assert world.gateway.fetch_position_mode() == PositionMode.NET


def test_balances_are_cash_and_margin_is_what_positions_use(world: PaperWorld) -> None:
    world.account.set_balances({"USDT": Decimal("50000"), "BTC": Decimal("0.25")})
    world.account.put_positions([position("0.5")])
    world.account.set_mark(SWAP, Decimal("61000"))

    assert world.gateway.fetch_balances() == {"USDT": Decimal("50000"), "BTC": Decimal("0.25")}
    assert world.gateway.fetch_margin_in_use() == {"USDT": Decimal("3050")}


def test_margin_in_use_contradicts_a_list_of_positions_that_lies(world: PaperWorld) -> None:
    world.account.put_positions([position("0.5")])
    world.fail("positions", "empty_list")

    assert world.gateway.fetch_positions() == ()
    assert world.gateway.fetch_margin_in_use() == {"USDT": Decimal("3000")}


def test_marks_are_read_for_swaps_and_last_prices_for_spot(world: PaperWorld) -> None:
    world.account.set_mark(SWAP, Decimal("61000.5"))
    world.account.set_mark(SPOT, Decimal("60990.1"))

    assert world.gateway.fetch_mark(SWAP) == Decimal("61000.5")
    assert world.gateway.fetch_mark(SPOT) == Decimal("60990.1")


def test_a_symbol_that_is_not_listed_is_unknown(world: PaperWorld) -> None:
    with pytest.raises(UnknownSymbol, match="XRP/USDT:USDT"):
        world.gateway.fetch_mark("XRP/USDT:USDT")
    with pytest.raises(UnknownSymbol):
        world.gateway.fetch_order_fills(symbol="XRP/USDT:USDT", exchange_order_id="1")


def test_spot_has_no_positions_to_ask_for(world: PaperWorld) -> None:
    with pytest.raises(Unsupported, match="held as a balance"):
        world.gateway.fetch_positions(SPOT)


def test_an_unknown_exchange_is_refused_with_close_names(world: PaperWorld) -> None:
    with pytest.raises(PermanentExchangeError, match="'okxx': did you mean okx"):
        world.connect(exchange_id="okxx")


def test_an_unknown_option_is_refused(world: PaperWorld) -> None:
    with pytest.raises(PermanentExchangeError, match="sub_tag_field"):
        world.connect(options={"sub_tag": "tag"})


def test_a_closed_gateway_released_its_connection(world: PaperWorld) -> None:
    world.gateway.fetch_positions()
    world.gateway.close()

    assert isinstance(world.gateway, CcxtGateway)
    assert world.gateway.fetch_positions() == ()
