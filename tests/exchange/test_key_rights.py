"""What a key may do, as each exchange tells it; a right nobody here knows is no harmless one."""

from typing import Any

import pytest

from reconciliation.domain.key_rights import KeyRights
from reconciliation.exchange.gateway import (
    CredentialsRejected,
    RetryableExchangeError,
    Unsupported,
)
from reconciliation.exchange.key_rights import binance_rights
from tests.exchange.binance.wire import BinanceWire
from tests.exchange.builders import NOW_MS, PaperWorld
from tests.exchange.bybit.wire import BybitWire
from tests.exchange.kraken.wire import KrakenWire
from tests.exchange.wire import Refusal

READS = (False, False)
BYBIT, BINANCE = (
    "api.bybit.com/v5/user/query-api",
    "api.binance.com/sapi/v1/account/apiRestrictions",
)
NOTHING = {"ContractTrade": [], "Spot": [], "Wallet": [], "Options": [], "Exchange": []}
READING = {
    "ipRestrict": True,
    "createTime": NOW_MS,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableInternalTransfer": False,
    "permitsUniversalTransfer": False,
    "enableVanillaOptions": False,
    "enableFutures": False,
    "enableMargin": False,
    "enableSpotAndMarginTrading": False,
}


def told(rights: KeyRights) -> tuple[bool, bool]:
    return rights.may_trade, rights.may_move_money


@pytest.mark.parametrize(
    ("permissions", "expected"),
    [
        ("read_only", READS),
        ("read_only,trade", (True, False)),
        ("read_only,withdraw", (False, True)),
        ("trade, withdraw,read_only", (True, True)),
        ("read_only,something_new", (False, True)),
    ],
)
def test_okx_says_what_its_key_may_do_in_the_configuration_of_the_account(
    world: PaperWorld, permissions: str, expected: tuple[bool, bool]
) -> None:
    world.account.permissions = permissions
    rights = world.gateway.fetch_key_rights()
    assert told(rights) == expected
    assert rights.reads_only == (expected == READS)


def test_an_answer_of_okx_without_rights_is_not_a_key_that_reads(world: PaperWorld) -> None:
    world.account.permissions = ""
    with pytest.raises(RetryableExchangeError):
        world.gateway.fetch_key_rights()


def test_a_body_that_is_html_is_not_a_key_that_reads(world: PaperWorld) -> None:
    world.fail("any", "html_200", times=9)
    with pytest.raises(RetryableExchangeError):
        world.gateway.fetch_key_rights()


@pytest.mark.parametrize(
    ("read_only", "permissions", "expected"),
    [
        (1, NOTHING | {"ContractTrade": ["Order"]}, READS),
        (0, NOTHING, READS),
        (0, NOTHING | {"Spot": ["SpotTrade"]}, (True, False)),
        (0, NOTHING | {"Wallet": ["AccountTransfer"]}, (False, True)),
        (0, NOTHING | {"ContractTrade": ["Order"], "Wallet": ["Withdraw"]}, (True, True)),
        (0, NOTHING | {"SomethingNew": ["Word"]}, (False, True)),
    ],
)
def test_bybit_lists_the_rights_of_its_key(
    read_only: int, permissions: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    wire = BybitWire()
    result = {"id": "1", "readOnly": read_only, "permissions": permissions}
    wire.routes[BYBIT] = lambda query: {"retCode": 0, "retMsg": "", "result": result}
    assert told(wire.connect("bybit").fetch_key_rights()) == expected
    wire.disconnect()


@pytest.mark.parametrize("result", [{}, {"readOnly": 1}, {"permissions": NOTHING}, None])
def test_an_answer_of_bybit_that_lacks_a_part_is_not_read(result: object) -> None:
    wire = BybitWire()
    wire.routes[BYBIT] = lambda query: {"retCode": 0, "retMsg": "", "result": result}
    with pytest.raises(RetryableExchangeError):
        wire.connect("bybit").fetch_key_rights()
    wire.disconnect()


@pytest.mark.parametrize("exchange_id", ["binance", "binanceusdm"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, READS),
        ({"enableFutures": True}, (True, False)),
        ({"enableSpotAndMarginTrading": True}, (True, False)),
        ({"enableWithdrawals": True}, (False, True)),
        ({"permitsUniversalTransfer": True}, (False, True)),
        ({"enableSomethingNew": True}, (False, True)),
    ],
)
def test_binance_lists_the_rights_of_its_key_as_switches(
    exchange_id: str, given: dict[str, Any], expected: tuple[bool, bool]
) -> None:
    wire = BinanceWire()
    wire.routes[BINANCE] = lambda query: READING | given
    assert told(wire.connect(exchange_id).fetch_key_rights()) == expected
    wire.disconnect()


def test_an_answer_of_binance_without_rights_is_not_read() -> None:
    for body in ({}, [], {"ipRestrict": True}, {"enableReading": "yes"}):
        with pytest.raises(RetryableExchangeError):
            binance_rights(body)


def test_kraken_does_not_tell_and_the_reason_says_where_to_look() -> None:
    wire = KrakenWire()
    with pytest.raises(Unsupported, match="check at the exchange"):
        wire.connect("kraken").fetch_key_rights()
    wire.disconnect()


def test_a_key_that_is_refused_is_named_and_not_called_a_key_that_reads() -> None:
    def refuse(query: object) -> object:
        raise Refusal({"retCode": 10003, "retMsg": "API key is invalid."})

    wire = BybitWire()
    wire.routes[BYBIT] = refuse
    with pytest.raises(CredentialsRejected, match="MAIN_API_KEY"):
        wire.connect("bybit").fetch_key_rights()
    wire.disconnect()


def test_the_lead_of_the_clock_is_measured_against_the_exchanges(world: PaperWorld) -> None:
    assert abs(world.gateway.fetch_clock_lead().total_seconds()) < 60


def test_an_exchange_an_hour_behind_is_seen_as_an_hour_of_lead(world: PaperWorld) -> None:
    client = world.gateway._client
    theirs = client.milliseconds() - 3_600_000
    client.fetch_time = lambda: theirs
    assert 3590 < world.gateway.fetch_clock_lead().total_seconds() < 3660
