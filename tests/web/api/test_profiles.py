"""What a bot reads of its own profiles."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.enums import Coverage, MismatchStatus, RunStatus
from tests.builders import (
    NOW,
    make_account,
    make_mismatch,
    make_order,
    make_profile,
    make_run,
    make_trade,
)
from tests.web.api.bots import Bot, errors_of, make_bot

pytestmark = pytest.mark.django_db


def status_of(bot: Bot, name: str = "alpha") -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(bot.ask(f"/profiles/{name}").content)
    listed = json.loads(bot.ask("/profiles").content)["profiles"]
    assert answer in listed
    return answer


def mismatches(bot: Bot, query: str = "") -> dict[str, Any]:
    response = bot.ask(f"/profiles/alpha/mismatches{query}")
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = json.loads(response.content)
    return answer


def test_a_new_profile_has_nothing_open_and_was_never_reconciled():
    assert status_of(make_bot()) == {
        "name": "alpha",
        "account": "main",
        "sub_tag": "alpha01",
        "enabled": True,
        "allocated_capital_usd": "100000",
        "open_trades": 0,
        "open_mismatches": 0,
        "last_reconciliation_at": None,
    }


def test_what_is_open_is_counted_for_each_profile_alone():
    bot = make_bot("alpha", "beta")
    alpha, beta = make_profile("alpha"), make_profile("beta")
    run = make_run(make_account(), finished_at=NOW)
    make_trade(alpha, entry_quantity="1")
    make_trade(alpha, entry_quantity="1", status="QUARANTINED")
    make_trade(alpha, entry_quantity="1", exit_quantity="1")
    make_trade(alpha)
    make_trade(beta, entry_quantity="1")
    make_mismatch(run, profile=alpha)
    make_mismatch(run, profile=alpha, status=MismatchStatus.RESOLVED, closed_at=NOW)
    make_mismatch(run, profile=alpha, status=MismatchStatus.ACCEPTED)
    make_mismatch(run, profile=None)
    assert (status_of(bot)["open_trades"], status_of(bot)["open_mismatches"]) == (2, 1)
    other = status_of(bot, "beta")
    assert (other["open_trades"], other["open_mismatches"]) == (1, 0)


def test_the_last_reconciliation_is_the_last_that_read_everything_of_this_profile():
    bot = make_bot("alpha", "beta")

    def run(minutes: int, **values: Any) -> None:
        at = NOW + timedelta(minutes=minutes)
        make_run(make_account(), started_at=at, finished_at=at, **values)

    complete = {"status": RunStatus.SUCCEEDED, "coverage": Coverage.COMPLETE}
    run(1, **complete)
    run(2, **complete, only_profile="alpha")
    run(3, status=RunStatus.SUCCEEDED, coverage=Coverage.PARTIAL)
    run(4, status=RunStatus.FAILED, coverage=Coverage.NONE)
    run(5, **complete, kind="HEARTBEAT")
    assert status_of(bot)["last_reconciliation_at"] == "2026-01-05T12:02:00.000000Z"
    assert status_of(bot, "beta")["last_reconciliation_at"] == "2026-01-05T12:01:00.000000Z"


def test_open_mismatches_are_read_page_by_page_and_none_twice():
    bot = make_bot()
    run = make_run(make_account(), finished_at=NOW)
    alpha = make_profile()
    trade = make_trade(alpha, trade_id="T1")
    order = make_order(trade, client_order_id="c1", exchange_order_id="1001")
    rows = [make_mismatch(run, profile=alpha, trade=trade, order=order, drift="-0.5")]
    rows += [make_mismatch(run, profile=alpha) for _ in range(4)]
    make_mismatch(run, profile=make_profile("beta"))
    make_mismatch(run, profile=alpha, status=MismatchStatus.RESOLVED, closed_at=NOW)

    seen, after = [], 0
    for size in (2, 2, 1):
        page = mismatches(bot, f"?limit=2&after={after}")
        assert len(page["mismatches"]) == size
        seen += page["mismatches"]
        after = page["next_after"]
    assert after is None
    assert [each["id"] for each in seen] == [row.pk for row in rows]
    assert mismatches(bot)["mismatches"] == seen
    assert seen[0] | {"kind": "", "symbol": ""} == {
        "id": rows[0].pk,
        "kind": "",
        "symbol": "",
        "trade_id": "T1",
        "client_order_id": "c1",
        "exchange_order_id": "1001",
        "drift": "-0.5",
        "opened_at": rows[0].opened_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    assert (seen[1]["trade_id"], seen[1]["drift"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=x", "limit"),
        ("?after=-1", "after"),
        ("?after=9223372036854775808", "after"),
        ("?after=" + "9" * 5000, "after"),
        ("?after=NaN", "after"),
        ("?after=%00", "after"),
    ],
)
def test_a_parameter_that_cannot_be_is_refused_and_named(query: str, field: str):
    response = make_bot().ask(f"/profiles/alpha/mismatches{query}")
    assert [name for name, _ in errors_of(response, 422)] == [field]


@pytest.mark.parametrize("path", ["/profiles", "/profiles/alpha", "/profiles/alpha/mismatches"])
def test_no_more_statements_are_needed_for_more_rows(path: str):
    bot = make_bot(*(["alpha"] + [f"p{number}" for number in range(9)]))
    run = make_run(make_account(), finished_at=NOW)
    bot.ask(path)

    def statements() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert bot.ask(path).status_code == 200
        return len(queries)

    before = statements()
    for number in range(9):
        profile = make_profile(f"p{number}")
        for owner in (profile, make_profile()):
            make_mismatch(run, profile=owner, trade=make_trade(owner, entry_quantity="1"))
    assert statements() == before <= 6
