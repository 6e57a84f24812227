from decimal import Decimal
from typing import Any

import ccxt
import pytest

from reconciliation.exchange.paper.book import PaperAccount
from tests.exchange.paper.builders import SWAP, ago, order

STOP = {"side": "sell", "type": "market", "price": None, "trigger_price": Decimal("55000")}


def algo(algo_id: str, order_class: str = "conditional", **changes: Any) -> Any:
    return order(algo_id, order_class=order_class, **{**STOP, **changes})


@pytest.mark.parametrize(
    ("order_class", "asked"),
    [
        ("conditional", {"ordType": "conditional"}),
        ("oco", {"ordType": "oco"}),
        ("oco", {"ordType": "conditional,oco", "trigger": True}),
        ("trailing", {"trailing": True}),
    ],
)
def test_an_algo_order_is_listed_with_its_class_and_not_with_the_open_orders(
    client: Any, account: PaperAccount, order_class: str, asked: dict[str, Any]
) -> None:
    account.put_orders([algo("2001", order_class, client_order_id="stop1", tag="alpha01")])
    assert client.fetch_open_orders(SWAP) == []
    [found] = client.fetch_open_orders(SWAP, params=asked)
    assert (found["id"], found["status"], found["amount"]) == ("2001", "open", "50")
    assert found["info"]["algoClOrdId"] == "stop1"
    assert found["info"]["tag"] == "alpha01"


def test_an_algo_order_is_not_listed_with_another_class(client: Any, account: PaperAccount) -> None:
    account.put_orders([algo("2001", "oco")])
    assert client.fetch_open_orders(params={"ordType": "conditional"}) == []
    assert client.fetch_open_orders(params={"trigger": True}) == []


def test_only_conditional_and_oco_may_be_asked_for_together(client: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="51000"):
        client.fetch_open_orders(params={"trigger": True, "ordType": "oco,move_order_stop"})


def test_the_class_of_algo_orders_must_be_named(client: Any) -> None:
    with pytest.raises(ccxt.BadRequest, match="50014"):
        client.private_get_trade_orders_algo_pending()


def test_stop_and_trailing_trigger_prices_stand_where_the_client_looks(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([algo("2001"), algo("2002", "trailing")])
    [stop] = client.fetch_open_orders(SWAP, params={"ordType": "conditional"})
    [trailing] = client.fetch_open_orders(SWAP, params={"trailing": True})
    assert (stop["stopLossPrice"], stop["info"]["slOrdPx"]) == ("55000", "-1")
    assert trailing["triggerPrice"] == "55000"


def test_an_algo_order_is_found_by_either_of_its_own_ids_only(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([algo("2001", client_order_id="stop1")])
    assert client.fetch_order("2001", SWAP, {"trigger": True})["id"] == "2001"
    assert client.fetch_order("", SWAP, {"trigger": True, "clOrdId": "stop1"})["id"] == "2001"
    for asked in ({"ordId": "2001"}, {"clOrdId": "stop1"}):
        with pytest.raises(ccxt.OrderNotFound):
            client.fetch_order("2001", SWAP, asked)


def test_a_triggered_algo_order_is_effective_and_names_its_children(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders(
        [
            algo("2001", client_order_id="stop1"),
            order("1007", side="sell", parent="2001", created_at=ago(minutes=1)),
            order("1006", side="sell", parent="2001", created_at=ago(minutes=2)),
        ]
    )
    assert client.fetch_open_orders(SWAP, params={"ordType": "conditional"}) == []
    found = client.fetch_order("2001", SWAP, {"trigger": True})["info"]
    assert (found["state"], found["ordId"]) == ("effective", "1007")
    assert found["ordIdList"] == ["1006", "1007"]


def test_a_child_is_an_order_of_its_own_that_carries_its_algo_order_s_ids(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders(
        [algo("2001", client_order_id="stop1"), order("1006", side="sell", parent="2001")]
    )
    [child] = client.fetch_open_orders(SWAP)
    assert child["info"]["ordId"] == "1006"
    assert (child["info"]["algoId"], child["info"]["algoClOrdId"]) == ("2001", "stop1")
    assert client.fetch_order("1006", SWAP)["info"]["ordId"] == "1006"


def test_a_parent_that_only_its_child_speaks_of_can_be_asked_for(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([order("1006", side="sell", parent="2001", client_order_id="child")])
    found = client.fetch_order("2001", SWAP, {"trigger": True})["info"]
    assert (found["algoId"], found["state"], found["ordIdList"]) == ("2001", "effective", ["1006"])
    assert found["algoClOrdId"] == ""


def test_finished_algo_orders_are_in_their_own_history_by_state(
    client: Any, account: PaperAccount
) -> None:
    account.put_orders([algo("2001", state="canceled"), algo("2002", state="filled"), algo("2003")])
    canceled = client.fetch_canceled_orders(SWAP, params={"ordType": "conditional"})
    # Without `trigger` the client asks for the state of a regular order.
    effective = client.fetch_closed_orders(SWAP, params={"ordType": "conditional", "trigger": True})
    assert [each["id"] for each in canceled] == ["2001"]
    assert [each["info"]["state"] for each in effective] == ["effective"]


def test_an_unknown_algo_order_is_code_51603(client: Any) -> None:
    with pytest.raises(ccxt.OrderNotFound, match="51603"):
        client.fetch_order("2001", SWAP, {"trigger": True})
