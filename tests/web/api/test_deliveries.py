"""Rows delivered over HTTP: each is answered, a bad one stops no other, a repeat is a no-op."""

import json
from dataclasses import fields
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.handlers.unit import audited_table_written
from reconciliation.models import AuditEvent, Order, Position, Trade, TradeHistory
from reconciliation.web.api import deliveries
from reconciliation.web.api.rows import KINDS
from tests.builders import SYMBOL, make_profile
from tests.web.api.bots import Bot, errors_of, everything, history, make_bot, order, position, trade

pytestmark = pytest.mark.django_db


def refused(bot: Bot, **sections: list[Any]) -> tuple[str, str]:
    """Return field and reason of the only row."""
    answer = bot.deliver(**sections)
    (row,) = answer["rows"]
    assert (row["outcome"], answer["refused"]) == ("refused", 1)
    return row["field"], row["reason"]


def test_rows_of_every_kind_are_taken_and_answered_in_the_order_of_the_request():
    bot = make_bot()
    answer = bot.deliver(**everything())
    taken = [(row["kind"], row["index"], row["ref"], row["outcome"]) for row in answer["rows"]]
    assert taken == [
        ("trade", 0, "T1", "accepted"),
        ("order", 0, "c1", "accepted"),
        ("history", 0, "h1", "accepted"),
        ("position", 0, f"alpha {SYMBOL} long", "merged"),
    ]
    assert {(row["field"], row["reason"]) for row in answer["rows"]} == {("", "")}
    counts = {name: answer[name] for name in ("accepted", "unchanged", "merged", "refused")}
    assert counts == {"accepted": 3, "unchanged": 0, "merged": 1, "refused": 0}
    assert str(Trade.objects.get().entry_quantity) == "0.5"
    event = AuditEvent.objects.get(action="trade.delivered")
    assert (event.actor_type, event.actor_name) == ("bot", "bot")
    assert '"ip":"127.0.0.1"' in event.payload


def test_the_same_delivery_again_is_unchanged_and_writes_nothing():
    bot = make_bot()
    bot.deliver(**everything())
    models = (Trade, Order, TradeHistory, Position)
    before = [list(model.objects.order_by("pk").values()) for model in models]
    events = AuditEvent.objects.count()
    with CaptureQueriesContext(connection) as queries:
        answer = bot.deliver(**everything())
    assert {row["outcome"] for row in answer["rows"]} == {"unchanged"}
    assert answer["unchanged"] == 4
    assert AuditEvent.objects.count() == events
    assert [list(model.objects.order_by("pk").values()) for model in models] == before
    assert [q["sql"] for q in queries if audited_table_written(q["sql"])] == []


def test_more_rows_take_no_more_statements():
    bot = make_bot()

    def statements(first: int, last: int) -> int:
        ids = [str(number) for number in range(first, last)]
        rows: dict[str, list[Any]] = {
            "trades": [trade(each) for each in ids],
            "orders": [order(f"c{each}", trade_id=each) for each in ids],
            "history": [history(each, trade_id=each, order_ref=f"c{each}") for each in ids],
            "positions": [position(symbol=f"S{each}/USDT:USDT") for each in ids],
        }
        with CaptureQueriesContext(connection) as queries:
            assert bot.deliver(**rows)["accepted"] == 4 * len(ids)
        return len(queries)

    bot.ask("/profiles")
    assert statements(0, 2) == statements(2, 60)


GOOD = {"trades": trade, "orders": order, "history": history, "positions": position}
BAD: list[tuple[str, dict[str, Any], str]] = [
    ("trades", {"opened_at": "2026-01-05T12:00:00"}, "opened_at"),
    ("trades", {"opened_at": "2026-01-05"}, "opened_at"),
    ("trades", {"opened_at": "2026-02-30T12:00:00Z"}, "opened_at"),
    ("trades", {"opened_at": "0001-01-01T00:00:00+14:00"}, "opened_at"),
    ("trades", {"opened_at": "9999-12-31T23:59:59-12:00"}, "opened_at"),
    ("trades", {"opened_at": "2026-01-05T12:00:00+99:99"}, "opened_at"),
    ("trades", {"opened_at": "٢٠٢٦-01-05T12:00:00Z"}, "opened_at"),
    ("trades", {"opened_at": 1767614400}, "opened_at"),
    ("trades", {"opened_at": "2099-01-05T12:00:00Z"}, "opened_at"),
    ("trades", {"direction": "up"}, "direction"),
    ("trades", {"direction": True}, "direction"),
    ("trades", {"direction": ["long"]}, "direction"),
    ("trades", {"trade_id": 7}, "trade_id"),
    ("trades", {"trade_id": ""}, "trade_id"),
    ("trades", {"trade_id": None}, "trade_id"),
    ("trades", {"trade_id": "x" * 65}, "trade_id"),
    ("trades", {"trade_id": "a\x00b"}, "trade_id"),
    ("trades", {"trade_id": "half \ud800"}, "trade_id"),
    ("trades", {"profile": "\x00"}, "profile"),
    ("trades", {"status": "open"}, "status"),
    ("trades", {"surprise": 1}, "surprise"),
    ("orders", {"quantity": 0.5}, "quantity"),
    ("orders", {"quantity": 1}, "quantity"),
    ("orders", {"quantity": True}, "quantity"),
    ("orders", {"quantity": None}, "quantity"),
    ("orders", {"quantity": ""}, "quantity"),
    ("orders", {"quantity": " 0.5"}, "quantity"),
    ("orders", {"quantity": "0,5"}, "quantity"),
    ("orders", {"quantity": "1_000"}, "quantity"),
    ("orders", {"quantity": "٥"}, "quantity"),
    ("orders", {"quantity": "NaN"}, "quantity"),
    ("orders", {"quantity": "Infinity"}, "quantity"),
    ("orders", {"quantity": "1e999"}, "quantity"),
    ("orders", {"quantity": "9" * 21}, "quantity"),
    ("orders", {"quantity": "0." + "1" * 19}, "quantity"),
    ("orders", {"quantity": "0.5\n"}, "quantity"),
    ("orders", {"quantity": "-1", "filled_quantity": "-1"}, "quantity"),
    ("orders", {"filled_quantity": "0.6"}, "filled_quantity"),
    ("orders", {"trade_id": "nobody"}, "trade_id"),
    ("orders", {"client_order_id": None}, "client_order_id"),
    ("history", {"net_of_fee": "true"}, "net_of_fee"),
    ("history", {"net_of_fee": 1}, "net_of_fee"),
    ("history", {"kind": "REVERSAL"}, "kind"),
    ("history", {"source": "OPERATOR"}, "source"),
    ("history", {"order_ref": "nobody"}, "order_ref"),
    ("history", {"quantity": "0"}, "quantity"),
    ("positions", {"quantity": "-0.5"}, "quantity"),
    ("positions", {"entry_price": 1}, "entry_price"),
]


@pytest.mark.parametrize(("section", "values", "field"), BAD, ids=[str(each[1:2]) for each in BAD])
def test_a_row_that_cannot_be_is_refused_alone_with_its_field_and_reason(section, values, field):
    bot = make_bot()
    sections: dict[str, list[Any]] = {name: [make()] for name, make in GOOD.items()}
    bad = {**GOOD[section](), **values}
    if section == "history":
        bad = {"row_id": "other", **{k: v for k, v in bad.items() if k != "row_id"}}
    elif section == "orders" and "client_order_id" not in values:
        bad["client_order_id"] = "other"
    sections[section].insert(0, bad)
    answer = bot.deliver(**sections)
    assert (answer["refused"], answer["accepted"] + answer["merged"]) == (1, 4)
    (row,) = [row for row in answer["rows"] if row["outcome"] == "refused"]
    assert (row["kind"], row["index"], row["field"]) == (KINDS[section][0], 0, field)
    assert row["reason"]
    assert AuditEvent.objects.filter(outcome="refused").count() == 1


@pytest.mark.parametrize("row", [None, 7, "text", [], True, [[[]]]], ids=repr)
def test_what_is_no_object_is_no_row_and_stops_no_other(row: Any):
    bot = make_bot()
    answer = bot.deliver(trades=[row, trade()])
    assert [(each["field"], each["outcome"]) for each in answer["rows"]] == [
        ("row", "refused"),
        ("", "accepted"),
    ]


def test_a_missing_field_is_named():
    bot = make_bot()
    assert refused(bot, trades=[{}]) == ("trade_id", "is missing")
    assert refused(bot, positions=[{"profile": "alpha"}]) == ("symbol", "is missing")


def test_a_row_that_gives_a_name_twice_is_refused_alone():
    text = json.dumps({"trades": [trade(), trade("T2")]})
    text = text.replace('"trade_id": "T2"', '"trade_id": "T2", "trade_id": "T3"')
    answer = json.loads(make_bot().send(text).content)
    assert [(row["outcome"], row["field"]) for row in answer["rows"]] == [
        ("accepted", ""),
        ("refused", "trade_id"),
    ]


@pytest.mark.parametrize(
    ("text", "same"),
    [("5E-1", "0.5"), ("0.50", "0.5"), ("+0.5", None), ("000.5", "0.5"), ("5e+0", "5")],
)
def test_amounts_are_exact_in_each_way_that_a_language_writes_them(text: str, same: str | None):
    bot = make_bot()
    answer = bot.deliver(positions=[position(quantity=text)])
    if same is None:
        assert answer["refused"] == 1
    else:
        assert answer["accepted"] == 1
        assert bot.deliver(positions=[position(quantity=same)])["unchanged"] == 1


def test_rows_of_another_profile_are_refused_one_by_one():
    bot = make_bot()
    make_profile("beta")
    theirs = make_bot("beta", name="other bot".replace(" ", "-"))
    theirs.deliver(trades=[trade("B1", profile="beta")])
    answer = bot.deliver(
        trades=[trade(), trade("B2", profile="beta")],
        history=[history(order_ref=None), history("h2", trade_id="B1", order_ref=None)],
    )
    assert [(row["outcome"], row["field"]) for row in answer["rows"]] == [
        ("accepted", ""),
        ("refused", "profile"),
        ("accepted", ""),
        ("refused", "trade_id"),
    ]
    assert AuditEvent.objects.filter(outcome="denied", actor_name="bot").count() == 2


def test_a_thousand_rows_are_taken_and_one_more_is_too_many():
    bot = make_bot()
    ids = [str(number) for number in range(deliveries.MAX_ROWS)]
    assert bot.deliver(trades=[trade(each) for each in ids])["accepted"] == 1000
    too_many = {"trades": [trade(each) for each in ids], "positions": [position()]}
    ((field, reason),) = errors_of(bot.send(json.dumps(too_many)), 413)
    assert field == "body"
    assert "1001" in reason
    assert "1000" in reason


def test_a_delivery_of_nothing_is_answered_with_nothing():
    for body in ("{}", '{"trades": []}'):
        assert json.loads(make_bot(name=f"bot{len(body)}").send(body).content)["rows"] == []


def test_the_rows_have_the_fields_that_the_trading_system_delivers():
    for _, schema, delivered in KINDS.values():
        assert set(schema.model_fields) == {field.name for field in fields(delivered)}
