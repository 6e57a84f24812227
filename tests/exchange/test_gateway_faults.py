"""What a failing exchange becomes: never an empty list, always an error named by its reaction."""

from collections.abc import Callable
from typing import Any

import pytest

from reconciliation.enums import InstrumentType, OrderClass
from reconciliation.exchange.ccxt_gateway import CcxtGateway, require_exchange
from reconciliation.exchange.credentials import Credentials
from reconciliation.exchange.gateway import (
    AccountHalted,
    BudgetExhausted,
    CredentialsRejected,
    ExchangeError,
    PermanentExchangeError,
    RetryableExchangeError,
)
from tests.exchange.builders import PaperWorld, moment
from tests.exchange.paper.builders import NOW, SWAP, fill, order, position

READS: dict[str, tuple[str, Callable[[CcxtGateway], object]]] = {
    "instruments": ("instruments", lambda gateway: gateway.load_instruments()),
    "open orders": (
        "open_orders",
        lambda gateway: gateway.fetch_open_orders(OrderClass.REGULAR),
    ),
    "algo orders": (
        "open_orders",
        lambda gateway: gateway.fetch_open_orders(OrderClass.CONDITIONAL),
    ),
    "fills": (
        "fills",
        lambda gateway: list(
            gateway.fetch_fill_pages(InstrumentType.SWAP, start=moment(10_000), end=NOW)
        ),
    ),
    "order": (
        "order",
        lambda gateway: gateway.fetch_order(
            symbol=SWAP,
            exchange_order_id="1001",
            client_order_id="c1",
            order_class=OrderClass.REGULAR,
        ),
    ),
    "order fills": (
        "fills",
        lambda gateway: gateway.fetch_order_fills(symbol=SWAP, exchange_order_id="1001"),
    ),
    "positions": ("positions", lambda gateway: gateway.fetch_positions()),
    "position": ("positions", lambda gateway: gateway.fetch_positions(SWAP)),
    "balances": ("balance", lambda gateway: gateway.fetch_balances()),
    "margin": ("balance", lambda gateway: gateway.fetch_margin_in_use()),
    "mode": ("any", lambda gateway: gateway.fetch_position_mode()),
    "mark": ("ticker", lambda gateway: gateway.fetch_mark(SWAP)),
    "last price": ("ticker", lambda gateway: gateway.fetch_mark("BTC/USDT")),
}
PUBLIC = ("instruments", "mark", "last price")
UNREADABLE = ["html_200", "empty_200", "truncated_200"]
REFUSED = ["http_500", "maintenance", "refused"]

reads = pytest.mark.parametrize("read", READS)


def furnish(world: PaperWorld, *, loaded: bool = True) -> None:
    """Give the account something of everything, so that an empty answer would be wrong."""
    world.account.put_orders(
        [order("1001", client_order_id="c1"), order("5001", order_class="conditional")]
    )
    world.account.put_fills([fill("9001", executed_at=moment(1000))])
    world.account.put_positions([position("0.5")])
    if loaded:
        world.forget()


@reads
@pytest.mark.parametrize("kind", [*UNREADABLE, *REFUSED])
def test_a_read_that_fails_raises_and_never_returns_less(
    world: PaperWorld, read: str, kind: str
) -> None:
    endpoint, ask = READS[read]
    furnish(world, loaded=read != "instruments")
    world.fail(endpoint, kind, "always")

    with pytest.raises(RetryableExchangeError) as caught:
        ask(world.gateway)

    assert type(caught.value) is RetryableExchangeError
    assert world.asked() == 3


@reads
@pytest.mark.parametrize("kind", [*UNREADABLE, *REFUSED, "delay"])
def test_a_failure_that_passes_is_not_noticed(world: PaperWorld, read: str, kind: str) -> None:
    endpoint, ask = READS[read]
    furnish(world, loaded=read != "instruments")
    truth = ask(world.gateway)
    world.fail(endpoint, kind, **({"delay_seconds": 0.01} if kind == "delay" else {"times": 2}))

    assert ask(world.gateway) == truth


@reads
@pytest.mark.parametrize("kind", ["http_429", "http_418"])
def test_being_asked_to_stop_ends_every_read_of_the_cycle(
    world: PaperWorld, read: str, kind: str
) -> None:
    ask = READS[read][1]
    furnish(world)
    world.fail("positions", kind)

    with pytest.raises(AccountHalted):
        world.gateway.fetch_positions()
    asked = world.asked()
    if read != "instruments":
        with pytest.raises(AccountHalted):
            ask(world.gateway)
    assert world.asked() == asked == 1

    world.gateway.begin_cycle(budget_seconds=30)
    ask(world.gateway)


@pytest.mark.parametrize("read", [each for each in READS if each not in PUBLIC])
def test_rejected_credentials_are_not_tried_again(world: PaperWorld, read: str) -> None:
    endpoint, ask = READS[read]
    furnish(world)
    world.fail(endpoint, "auth", "always")

    with pytest.raises(CredentialsRejected, match="check MAIN_API_KEY"):
        ask(world.gateway)
    assert world.asked() == 1


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [("api_key", "MAIN_API_KEY"), ("secret", "MAIN_SECRET"), ("password", "MAIN_PASSWORD")],
)
def test_the_credential_that_is_wrong_is_named_by_its_setting(
    world: PaperWorld, wrong: str, setting: str
) -> None:
    values = {
        "api_key": world.account.api_key,
        "secret": world.account.secret,
        "password": world.account.passphrase,
    }
    credentials = Credentials(**(values | {wrong: "quite-wrong"}), prefix="MAIN")
    gateway = world.connect(credentials=credentials)

    with pytest.raises(CredentialsRejected, match=f"check {setting}$") as caught:
        gateway.fetch_positions()
    assert "quite-wrong" not in str(caught.value)


@pytest.mark.parametrize("missing", ["api_key", "secret", "password"])
def test_credentials_that_are_empty_are_rejected_without_a_request(
    world: PaperWorld, missing: str
) -> None:
    values = {"api_key": "a", "secret": "b", "password": "c"} | {missing: ""}
    gateway = world.connect(credentials=Credentials(**values, prefix="MAIN"))

    with pytest.raises(CredentialsRejected):
        gateway.fetch_positions()
    assert world.asked("positions") == 0


def test_a_rejected_timestamp_is_cured_by_a_time_sync(world: PaperWorld) -> None:
    furnish(world)
    world.fail("positions", "skew", "always")

    assert len(world.gateway.fetch_positions()) == 1
    assert [each.endpoint for each in world.exchange.requests] == ["positions", "time", "positions"]


@pytest.mark.parametrize("skew_ms", [3_600_000, -3_600_000])
def test_a_clock_that_is_an_hour_off_is_corrected_once_for_all(
    world: PaperWorld, skew_ms: int
) -> None:
    furnish(world)
    world.exchange.skew_ms = skew_ms

    for _ in range(3):
        assert len(world.gateway.fetch_positions()) == 1
    assert world.asked("time") == 1
    assert world.asked("positions") == 4


def test_a_time_sync_that_fails_is_an_error_and_no_loop(world: PaperWorld) -> None:
    furnish(world)
    world.fail("positions", "skew", "always")
    world.fail("time", "skew", "always")

    with pytest.raises(RetryableExchangeError):
        world.gateway.fetch_positions()
    assert world.asked() == 2


def test_a_request_that_takes_too_long_is_given_up(world: PaperWorld) -> None:
    furnish(world)
    gateway = world.connect(timeout_ms=30)
    world.exchange.requests.clear()
    world.fail("positions", "timeout", "always")

    with pytest.raises(RetryableExchangeError, match="RequestTimeout"):
        gateway.fetch_positions()
    assert world.asked("positions") == 3


def test_a_request_may_take_no_longer_than_what_is_left_of_the_cycle(world: PaperWorld) -> None:
    furnish(world)
    gateway = world.connect(options={"pace": 0})
    gateway.begin_cycle(budget_seconds=0.04)
    world.fail("positions", "timeout", "always")

    # The injected clock stands still, so only the request's own timeout can end it.
    with pytest.raises(BudgetExhausted, match="RequestTimeout"):
        gateway.fetch_positions()
    assert world.asked("positions") == 1


def test_a_cycle_whose_time_is_used_up_asks_nothing(world: PaperWorld) -> None:
    furnish(world)
    world.monotonic.pass_time(31)

    with pytest.raises(BudgetExhausted):
        world.gateway.fetch_positions()
    assert world.asked() == 0


def test_the_exchanges_own_limits_are_kept(world: PaperWorld) -> None:
    furnish(world)
    world.exchange.rate_limited = True
    world.monotonic.slept.clear()
    world.monotonic.pass_time(1)

    for _ in range(6):
        world.gateway.fetch_positions()

    # Ten in two seconds are allowed; ccxt's own figure is a tenth slower.
    assert world.monotonic.slept == pytest.approx([0.22] * 5)


def test_a_pace_of_zero_waits_for_nothing(world: PaperWorld) -> None:
    gateway = world.connect(options={"pace": 0})
    world.monotonic.slept.clear()

    for _ in range(6):
        gateway.fetch_positions()

    assert world.monotonic.slept == []


def test_an_order_that_is_not_answered_is_not_said_to_be_unknown(world: PaperWorld) -> None:
    furnish(world)
    world.fail("order", "empty_list", "always")

    with pytest.raises(RetryableExchangeError, match="answered 0 rows"):
        READS["order"][1](world.gateway)


def test_an_order_that_is_unknown_by_one_id_and_fails_by_the_other_is_not_unknown(
    world: PaperWorld,
) -> None:
    world.forget()
    asked: list[int] = []
    gateway = world.connect()
    answer = gateway._client.privateGetTradeOrder

    def fail_the_second(filters: dict[str, Any]) -> object:
        asked.append(1)
        if len(asked) == 2:
            world.fail("order", "http_500", "always")
        return answer(filters)

    gateway._client.privateGetTradeOrder = fail_the_second

    with pytest.raises(RetryableExchangeError):
        READS["order"][1](gateway)
    assert len(asked) == 2


@pytest.mark.parametrize("order_class", [OrderClass.REGULAR, OrderClass.CONDITIONAL])
def test_a_repeated_page_of_open_orders_is_asked_again_and_then_a_contradiction(
    world: PaperWorld, order_class: OrderClass
) -> None:
    world.account.put_orders(
        [order(str(1000 + each), order_class=order_class.value) for each in range(150)]
    )
    world.fail("open_orders", "duplicate_page")
    assert len(world.gateway.fetch_open_orders(order_class).orders) == 150

    world.fail("open_orders", "duplicate_page", "always")
    with pytest.raises(RetryableExchangeError, match="contradict each other"):
        world.gateway.fetch_open_orders(order_class)


def test_anything_at_all_that_goes_wrong_inside_is_an_exchange_error(world: PaperWorld) -> None:
    furnish(world)

    def explode(*_: object) -> object:
        raise MemoryError("inside")

    world.gateway._client.privateGetAccountPositions = explode

    with pytest.raises(ExchangeError, match="okx fetch_positions: MemoryError: inside") as caught:
        world.gateway.fetch_positions()

    assert caught.value.__context__ is None


def test_an_exchange_that_is_down_is_not_asked_three_times_for_every_part(
    world: PaperWorld,
) -> None:
    furnish(world)
    world.fail("any", "http_500", "always")

    for read in ("positions", "balances", "open orders"):
        with pytest.raises(RetryableExchangeError):
            READS[read][1](world.gateway)

    assert world.asked() == 3 + 1 + 1


def test_an_exchange_that_is_not_there_is_told_with_the_setting_and_without_a_query(
    world: PaperWorld,
) -> None:
    furnish(world)
    gateway = world.connect(base_url="http://127.0.0.1:9/main")

    with pytest.raises(RetryableExchangeError) as caught:
        gateway.fetch_positions(SWAP)

    told = str(caught.value)
    assert "connection refused at http://127.0.0.1:9/main; check MAIN_BASE_URL" in told
    assert "?" not in told


def test_an_address_that_is_not_the_exchanges_is_told_with_the_setting(world: PaperWorld) -> None:
    gateway = world.connect(base_url=world.exchange.url("main") + "-typo")

    with pytest.raises(ExchangeError, match="check MAIN_BASE_URL: http"):
        gateway.load_instruments()


@pytest.mark.parametrize("name", ["okxx", "", "OKX"])
def test_an_exchange_that_there_is_not_is_told_with_the_nearest(name: str) -> None:
    with pytest.raises(PermanentExchangeError, match=f"unknown exchange {name!r}"):
        require_exchange(name)
    require_exchange("okx")
