"""The gate as a bot asks it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.enums import MismatchKind, PauseSource
from tests.builders import (
    SYMBOL,
    make_account,
    make_mismatch,
    make_pause,
    make_profile,
    make_run,
    make_trade,
)
from tests.web.api.bots import Bot, errors_of, make_bot

pytestmark = pytest.mark.django_db


def ask(bot: Bot, name: str = "alpha") -> dict[str, Any]:
    response = bot.ask(f"/profiles/{name}/gate")
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = json.loads(response.content)
    return answer


def read() -> None:
    now = datetime.now(UTC)
    for kind in ("RECONCILE", "HEARTBEAT"):
        make_run(make_account(), kind=kind, started_at=now, as_of=now)


def test_a_profile_that_may_trade():
    bot = make_bot()
    read()
    answer = ask(bot)
    assert datetime.fromisoformat(answer.pop("as_of")).tzinfo == UTC
    assert answer == {
        "profile": "alpha",
        "entries_allowed": True,
        "exits_allowed": True,
        "reasons": [],
        "symbols": [],
        "retry_after_ms": None,
    }


def test_a_profile_that_may_not_enter_and_only_reduce():
    bot = make_bot()
    read()
    make_pause(source=PauseSource.OPERATOR)
    trade = make_trade(entry_quantity="0.50")
    make_mismatch(
        kind=MismatchKind.POSITION_MISMATCH,
        profile=trade.profile,
        trade=trade,
        exchange_side={"quantity": "0.20"},
    )
    answer = ask(bot)
    del answer["as_of"]
    assert answer == {
        "profile": "alpha",
        "entries_allowed": False,
        "exits_allowed": True,
        "reasons": ["PAUSED_OPERATOR", "MISMATCH"],
        "symbols": [
            {
                "symbol": SYMBOL,
                "exits_allowed": True,
                "reduce_only": True,
                "max_exit_quantity": "0.2",
                "reasons": ["MISMATCH"],
            }
        ],
        "retry_after_ms": 60000,
    }


def test_before_anything_was_read_entries_are_not_allowed():
    assert ask(make_bot())["reasons"] == ["STALE"]


def test_a_profile_of_another_key_is_denied_known_or_not():
    bot = make_bot("alpha")
    make_profile("beta")
    for name in ("beta", "nobody"):
        denied = errors_of(bot.ask(f"/profiles/{name}/gate"), 403)
        assert denied == [("profile", "this key is for alpha")]


def test_a_question_costs_two_queries_beside_those_of_the_key():
    bot = make_bot()
    read()
    bot.ask("/profiles/alpha/gate")  # notes that the key is used, once a minute
    counts = []
    for path in ("/client-order-id?trade_id=T1&purpose=EXIT&sequence=1", "/profiles/alpha/gate"):
        with CaptureQueriesContext(connection) as queries:
            assert bot.ask(path).status_code == 200
        counts.append(len(queries))
    assert counts[1] - counts[0] == 2
