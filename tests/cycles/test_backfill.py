"""Missed exits in whole cycles: booked at once where they are proven, else put before a person."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.keys import client_order_id, fill_evidence, history_key
from reconciliation.enums import CycleStep, FillKind, Purpose, RunStatus, Side
from reconciliation.exchange.gateway import RetryableExchangeError
from reconciliation.handlers.leases import take_lease
from reconciliation.models import (
    AuditEvent,
    BackfillCandidate,
    Fill,
    FillAllocation,
    Mismatch,
    Position,
    Trade,
    TradeHistory,
)
from tests.builders import (
    NOW,
    arranging,
    make_account,
    make_history,
    make_order,
    make_position,
    make_profile,
    make_trade,
)
from tests.cycles.worlds import World, actions, everything, sources
from tests.domain import builders as domain

pytestmark = pytest.mark.django_db
WAIVED = {
    "RECON_EXIT_BACKFILL_REQUIRE_STRONG_ATTRIBUTION": "false",
    "RECON_EXIT_BACKFILL_ALLOW_HEURISTIC_MATCH": "true",
}


def hold(**values: Any) -> Trade:
    """Make a slice of alpha that holds half a coin."""
    defaults = {"entry_quantity": "0.5", "average_entry_price": "60000"}
    return make_trade(values.pop("profile", None), **{**defaults, **values})


def sell(world: World, quantity: str = "0.5", **evidence: Any) -> str:
    """Let the account sell by an order that nobody knows; return the fill's id."""
    number = 500 + len(world.exchange.fills)
    defaults: dict[str, Any] = {
        "side": Side.SELL,
        "exchange_order_id": f"unknown{number}",
        "client_order_id": None,
        "sub_tag": None,
    }
    made = domain.fill(number, quantity, **{**defaults, **evidence}).fill
    world.exchange.fills.append(made)
    return made.fill_id


def candidates() -> list[tuple[str, str, str, list[str]]]:
    """Return verdict, mode, status and reasons of every candidate, in order."""
    rows = BackfillCandidate.objects.order_by("pk")
    return [(row.verdict, row.mode, row.status, row.reasons) for row in rows]


UNTAGGED = ("NO_GO", "NONE", "PENDING", ["WEAK_ATTRIBUTION", "HEURISTIC_DISABLED"])
BY_TAG = ("GO", "SUB_TAG", "APPLIED", [])


def test_a_missed_exit_is_booked_with_its_candidate_its_events_and_the_position(world):
    trade = hold()
    make_position(world.alpha)
    fill_id = sell(world, sub_tag="alpha01")
    assert world.cycle().status == RunStatus.SUCCEEDED
    trade.refresh_from_db()
    assert (trade.status, trade.exit_quantity) == ("CLOSED", Decimal("0.5"))
    assert sources() == [("EXIT", "BACKFILL", "0.5")]
    row = TradeHistory.objects.get()
    assert (row.exchange_fill_id, row.estimated, row.run_id is None) == (fill_id, False, False)
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")
    assert Position.objects.get().quantity == 0
    candidate = BackfillCandidate.objects.get()
    assert candidates() == [BY_TAG]
    assert (candidate.trade, candidate.profile) == (trade, world.alpha)
    assert sorted(actions()) == ["backfill.applied", "trade.exit_filled"]
    applied = AuditEvent.objects.get(action="backfill.applied")
    assert (applied.object_type, applied.object_id) == ("backfill", str(candidate.pk))
    assert (applied.profile_name, applied.account_name) == ("alpha", "main")


def test_a_second_cycle_on_the_same_evidence_writes_nothing(world):
    hold()
    hold(trade_id="other", symbol="BTC/USDT")
    sell(world, "0.2", sub_tag="alpha01")
    sell(world, "0.2")
    world.cycle()
    assert candidates() == [BY_TAG, UNTAGGED]
    before = everything()
    for _ in range(3):
        world.cycle()
        assert everything() == before
    assert actions().count("backfill.no_go") == 1


def test_other_settings_judge_a_waiting_row_anew_and_book_it(world):
    trade = hold()
    sell(world)
    world.cycle()
    assert candidates() == [UNTAGGED]
    world.environ = {"RECON_EXIT_BACKFILL_REQUIRE_STRONG_ATTRIBUTION": "false"}
    world.cycle()
    assert candidates() == [("NO_GO", "NONE", "PENDING", ["HEURISTIC_DISABLED"])]
    world.environ = WAIVED
    world.cycle()
    assert candidates() == [("GO", "SINGLE_OPEN_TRADE", "SUPERSEDED", [])]
    trade.refresh_from_db()
    assert trade.status == "CLOSED"
    assert [action for action in actions() if action.startswith("backfill")] == [
        "backfill.no_go",
        "backfill.rejudged",
        "backfill.applied",
    ]
    assert BackfillCandidate.objects.get().version == 3


def test_a_waiting_row_is_superseded_when_the_bot_reports_the_fill_itself(world):
    trade = hold()
    fill_id = sell(world)
    world.cycle()
    with arranging():
        TradeHistory.objects.create(
            trade=trade,
            key="delivered:h1",
            kind="EXIT",
            source="BOT",
            quantity="0.5",
            booked_quantity="0.5",
            price="60000",
            exchange_fill_id=fill_id,
            executed_at=NOW,
            recorded_at=NOW,
        )
        Trade.objects.filter(pk=trade.pk).update(
            exit_quantity="0.5", status="CLOSED", version=2, closed_at=NOW
        )
    world.cycle()
    (candidate,) = BackfillCandidate.objects.all()
    assert (candidate.status, candidate.verdict) == ("SUPERSEDED", "NO_GO")
    assert candidate.closed_at is not None
    assert actions()[-1] == "backfill.superseded"
    before = everything()
    world.cycle()
    assert everything() == before


def test_fills_that_cannot_be_read_leave_the_queue_as_it_is(world):
    hold()
    sell(world)
    world.cycle()
    sell(world, "0.1", sub_tag="alpha01")
    world.exchange.fail("fetch_fill_pages", RetryableExchangeError("down"))
    before = everything()
    world.cycle()
    assert everything() == before


def test_nothing_is_written_while_the_lease_of_the_slice_is_held(world):
    hold()
    sell(world, "0.1", sub_tag="alpha01")
    sell(world, "0.1")
    lease = take_lease(
        profile_id=world.alpha.pk, holder="another", ttl=timedelta(minutes=9), clock=world.clock
    )
    assert lease is not None
    assert world.cycle().status == RunStatus.SKIPPED_LOCKED
    assert (candidates(), sources()) == ([], [])


@pytest.mark.parametrize("mode", ["tag", "untagged"])
def test_a_slice_that_changes_under_way_drops_the_verdict_until_the_next_cycle(world, mode):
    trade = hold()
    sell(world, sub_tag="alpha01" if mode == "tag" else None)
    if mode == "untagged":
        world.cycle()
        world.environ = WAIVED

    def interfere(step: CycleStep) -> None:
        if step == CycleStep.LOCK and Trade.objects.get().version == 1:
            with arranging():
                Trade.objects.filter(pk=trade.pk).update(version=2)

    world.cycle(reach=interfere)
    assert sources() == []
    assert [row[0] for row in candidates()] == ([] if mode == "tag" else ["NO_GO"])
    world.cycle()
    assert [row[0] for row in candidates()] == ["GO"]


@pytest.mark.parametrize("environ", [WAIVED, dict([*WAIVED.items()][:1])], ids=["go", "no go"])
def test_a_candidate_that_a_person_decides_on_under_way_stays_as_decided(world, environ):
    hold()
    sell(world)
    world.cycle()

    def reject(step: CycleStep) -> None:
        if step == CycleStep.LOCK:
            with arranging():
                BackfillCandidate.objects.filter(version=1).update(
                    status="REJECTED", closed_at=NOW, version=2
                )

    world.environ = environ
    world.cycle(reach=reject)
    assert sources() == []
    assert [row[2] for row in candidates()] == ["REJECTED"]
    before = everything()
    world.cycle()
    assert everything() == before


def test_one_profile_alone_books_its_own_exits_and_asks_no_questions(world):
    beta = make_profile("beta", sub_tag="beta01")
    hold()
    hold(profile=beta, symbol="BTC/USDT:USDT", trade_id="b1")
    sell(world, sub_tag="alpha01")
    sell(world, sub_tag="beta01")
    sell(world, "0.1")
    world.cycle(profile="beta")
    assert [row.trade.trade_id for row in TradeHistory.objects.all()] == ["b1"]
    assert [row[0] for row in candidates()] == ["GO"]


def test_a_disabled_profiles_tag_is_foreign_and_its_own_slice_is_left_alone(world):
    gone = make_profile("gone", sub_tag="gone01", enabled=False)
    hold()
    world.environ = WAIVED
    sell(world, sub_tag="gone01")
    world.cycle()
    assert candidates() == [("NO_GO", "NONE", "PENDING", ["FOREIGN_SUB_TAG"])]
    hold(profile=gone, trade_id="g1")
    world.cycle()
    assert sources() == []
    assert Trade.objects.filter(status="OPEN").count() == 2


def test_two_accounts_never_share_a_fill(world):
    other = make_account("other")
    stranger = make_profile("stranger", account=other, sub_tag="alpha01")
    hold(profile=stranger, trade_id="s1")
    world.serve(other)
    sell(world, sub_tag="alpha01")
    world.cycles()
    assert sources() == []
    assert list(Mismatch.objects.values_list("kind", flat=True)) == ["UNATTRIBUTED_FILL"]


def test_an_id_of_the_bots_own_scheme_finds_its_slice_in_the_database(world):
    world.environ = {
        "RECON_CLIENT_ORDER_ID_PATTERN": "(?P<trade_id>[A-Z0-9]+)-(?P<purpose>ENTRY|EXIT)"
    }
    hold(trade_id="T1")
    hold(trade_id="T2")
    sell(world, client_order_id="T2-EXIT")
    world.cycle()
    assert [row.trade.trade_id for row in TradeHistory.objects.all()] == ["T2"]
    assert candidates() == [("GO", "CLIENT_ORDER_ID", "APPLIED", [])]


def test_an_id_of_the_bots_own_scheme_finds_a_trade_that_is_closed(world):
    world.environ = {
        "RECON_CLIENT_ORDER_ID_PATTERN": "(?P<trade_id>[A-Z0-9]+)-(?P<purpose>ENTRY|EXIT)"
    }
    hold(trade_id="T1")
    closed = hold(trade_id="T2", exit_quantity="0.5", status="CLOSED", closed_at=NOW)
    sell(world, client_order_id="T2-EXIT")
    world.cycle()
    assert candidates() == [("NO_GO", "NONE", "PENDING", ["QTY_EXCEEDS_OPEN"])]
    assert BackfillCandidate.objects.get().trade == closed


def test_an_exit_that_was_told_of_without_a_name_is_linked_and_not_booked_again(world):
    trade = hold(entry_quantity="1", exit_quantity="0.5")
    row = make_history(trade, kind="EXIT", key="delivered:h1")
    sell(world, sub_tag="alpha01")
    world.cycle()
    allocation = FillAllocation.objects.get()
    assert (allocation.history, allocation.quantity) == (row, Decimal("0.5"))
    assert (candidates(), actions()) == ([], ["trade.fills_linked"])
    trade.refresh_from_db()
    assert (trade.exit_quantity, trade.version) == (Decimal("0.5"), 1)
    before = everything()
    world.cycle()
    assert everything() == before


def test_a_deterministic_id_finds_a_slice_though_others_carry_the_tag(world):
    hold(trade_id="T1")
    hold(trade_id="T2")
    named = client_order_id(sub_tag="alpha01", trade_id="T2", purpose=Purpose.EXIT)
    sell(world, client_order_id=named, sub_tag="alpha01")
    world.cycle()
    assert [row.trade.trade_id for row in TradeHistory.objects.all()] == ["T2"]


def test_what_the_exchange_did_itself_is_marked(world):
    hold()
    sell(world, kind=FillKind.LIQUIDATION, exchange_order_id=None)
    world.cycle()
    assert BackfillCandidate.objects.get().exchange_initiated
    assert candidates() == [UNTAGGED]


def test_an_order_adopted_by_its_tag_is_booked_with_what_it_was_filled_with(world):
    trade = hold()
    sell(world, "0.2", sub_tag="alpha01", exchange_order_id="live1")
    world.exchange.orders.append(
        domain.shown(
            exchange_order_id="live1",
            client_order_id=None,
            side=Side.SELL,
            status="PARTIALLY_FILLED",
            filled_quantity="0.2",
        )
    )
    world.cycle()
    row = TradeHistory.objects.get()
    assert row.order is not None
    assert (row.order.exchange_order_id, row.order.trade, row.trade) == ("live1", None, trade)
    assert "handler.refused" not in actions()
    assert list(Mismatch.objects.values_list("kind", "status")) == [("MISSING_IN_DB", "RESOLVED")]
    before = everything()
    world.cycle()
    assert everything() == before


def test_an_open_mismatch_of_such_an_order_is_resolved_by_the_backfill(world):
    first, second = hold(), hold()
    make_order(
        None,
        purpose=None,
        side="sell",
        exchange_order_id="loose",
        client_order_id=None,
        status="CANCELED",
        filled_quantity="0.5",
    )
    sell(world, sub_tag="alpha01", exchange_order_id="loose")
    world.cycle()
    assert [row[3] for row in candidates()] == [["AMBIGUOUS_SLICE"]]
    assert list(Mismatch.objects.values_list("kind", "status")) == [("QUANTITY_MISMATCH", "OPEN")]
    with arranging():
        Trade.objects.filter(pk=second.pk).update(
            exit_quantity="0.5", status="CLOSED", closed_at=NOW, version=2
        )
    world.cycle()
    first.refresh_from_db()
    assert first.status == "CLOSED"
    assert list(Mismatch.objects.values_list("status", flat=True)) == ["RESOLVED"]


def test_a_row_that_the_database_refuses_stops_no_other(world):
    hold(trade_id="T1")
    hold(trade_id="T2")
    sell(world, trade_hint="T1")
    sell(world, trade_hint="T2")
    with arranging():
        TradeHistory.objects.create(  # a row that has the key of T1's exit already
            trade=Trade.objects.get(trade_id="T1"),
            key=_key_of_first(),
            kind="ENTRY",
            source="BOT",
            quantity="1",
            booked_quantity="0",
            executed_at=NOW,
            recorded_at=NOW,
        )
    outcome = world.cycle()
    assert outcome.status == RunStatus.PARTIAL
    assert "T1" in outcome.row_errors[0]
    assert list(Trade.objects.order_by("pk").values_list("status", flat=True)) == ["OPEN", "CLOSED"]
    assert [row[0] for row in candidates()] == ["GO"]


def _key_of_first() -> str:
    trade = Trade.objects.get(trade_id="T1")
    evidence = fill_evidence(symbol=trade.symbol, side="sell", fill_id="9500")
    return history_key(trade_id=trade.pk, kind="EXIT", evidence=evidence, reversals=0)


def statements(world: World) -> int:
    with CaptureQueriesContext(connection) as queries:
        world.cycle()
    return len(queries)


@pytest.mark.parametrize("evidence", [{"sub_tag": "alpha01"}, {}], ids=["booked", "asked"])
def test_the_number_of_candidates_does_not_change_the_number_of_statements(world, evidence):
    hold(entry_quantity="100")
    counts = []
    for more in (1, 1, 60):
        for _ in range(more):
            sell(world, "0.1", **evidence)
        counts.append(statements(world))
    assert counts[1] == counts[2]
    assert BackfillCandidate.objects.count() == 62
