"""A drill is run as it is written, and what differs is told."""

from decimal import Decimal

import pytest

from reconciliation.cycles.ports import Ports
from reconciliation.drills import actions
from reconciliation.drills.compare import ABSENT
from reconciliation.drills.database import ScratchDatabase
from reconciliation.drills.report import result_lines
from reconciliation.drills.runner import DrillResult, run_drill
from reconciliation.enums import CycleStep
from reconciliation.models import AuditEvent, Order, Profile
from tests.drills.texts import BOOKS, HEAD_LINES, parse

CANCELED_AT_THE_EXCHANGE = """\
exchange:
  main:
    orders:
      - {exchange_order_id: "501", client_order_id: "auto:T1:ENTRY:1", symbol: "BTC/USDT:USDT",
         side: buy, type: limit, quantity: "0.5", price: "60000", state: canceled, created_at: -2h}
"""


def run(text: str, scratch: ScratchDatabase) -> DrillResult:
    return run_drill(parse(text), scratch)


def test_what_did_not_come_as_expected_is_told_with_its_path(scratch: ScratchDatabase) -> None:
    text = """\
steps:
  - expect: {trades: {T1: {status: CLOSED}, T9: {status: OPEN}}}
expect:
  trades: {T1: {entry_quantity: "0"}}
  mismatches_open: 3
"""

    result = run(BOOKS + text, scratch)

    assert not result.passed
    assert result_lines(result) == [
        "FAIL example",
        f"  trades.T1.status: expected CLOSED, got PENDING (line {HEAD_LINES + 7})",
        f'  trades.T9: expected {{"status": "OPEN"}}, got absent (line {HEAD_LINES + 7})',
        f"  mismatches_open: expected 3, got 0 (line {HEAD_LINES + 10})",
    ]
    assert result.failures[1].got is ABSENT


def test_a_drill_begins_with_an_empty_world(scratch: ScratchDatabase) -> None:
    nothing = "expect: {trades: {}, mismatches: [], positions: [], corrections: 0}\n"

    assert run(BOOKS + nothing, scratch).passed
    state = run(nothing, scratch).state

    assert state["trades"] == {}
    assert state["orders"] == {}
    assert state["runs"] == {}
    assert state["audit_chain"] == "intact"


def test_an_error_of_the_real_code_is_a_failure_of_the_drill(
    scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*, ports: Ports, account: str | None, profile: str | None) -> None:
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr(actions, "reconcile_accounts", fail)

    result = run("steps: [reconcile]\nexpect: {mismatches_open: 9}\n", scratch)

    (line,) = result_lines(result)[1:]
    error = "expected no error, got ZeroDivisionError: by chance"
    assert line == f"  step reconcile: {error} (line {HEAD_LINES + 1})"
    assert "Traceback" in capsys.readouterr().err
    # What was reached is told all the same.
    assert result.state["mismatches_open"] == 0


def test_a_scene_that_cannot_be_set_is_a_failure_of_the_drill(
    scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reconciliation.drills.world.create_account", None)

    result = run("", scratch)

    assert [each.path for each in result.failures] == ["the scene"]
    assert result.state == {}


def test_corrections_count_the_portals_rows_and_not_the_trading_systems(
    scratch: ScratchDatabase,
) -> None:
    # What the trading system wrote just now is left to the next cycle: hence the first minute.
    text = """\
steps:
  - expect: {corrections: 0}
  - database: {orders: {O1: {price: "60001"}}}
  - expect: {corrections: 0}
  - advance: 60s
  - reconcile
  - expect: {corrections: 2}
  - advance: 60s
  - reconcile
expect: {corrections: 0, orders: {O1: {status: CANCELED}}, trades: {T1: {status: CANCELED}}}
"""

    result = run(BOOKS + CANCELED_AT_THE_EXCHANGE + text, scratch)

    assert result_lines(result) == ["PASS example"]


def test_the_clock_is_the_drills(scratch: ScratchDatabase) -> None:
    result = run("steps: [{advance: 90m}, reconcile]\n", scratch)

    assert result.passed
    assert result.state["health"]["reconciliationLastRun"] == "2026-01-05T13:30:00.000Z"  # type: ignore[index]


def test_a_reconciliation_can_be_narrowed_to_an_account(scratch: ScratchDatabase) -> None:
    text = "steps: [{reconcile: {account: other}}]\nexpect: {runs: {last: {account: other}}}\n"

    assert run(text, scratch).passed
    assert "main" not in str(run(text, scratch).state["runs"])


def test_a_row_that_the_portal_refuses_is_remarked_on(scratch: ScratchDatabase) -> None:
    history = "  history: [{trade: T1, kind: EXIT, quantity: '1', price: '1', at: -1h}]\n"

    result = run(BOOKS + history, scratch)

    assert result.passed
    assert len(result.remarks) == 1
    assert "was refused: " in result.remarks[0]


@pytest.mark.parametrize("after", [CycleStep.SNAPSHOT, CycleStep.LOCK, CycleStep.BEFORE_COMMIT])
def test_a_killed_run_leaves_its_claim_and_commits_nothing_more(
    after: CycleStep, scratch: ScratchDatabase
) -> None:
    text = f"""\
steps:
  - crash: {after.value}
  - reconcile
  - expect: {{corrections: 0, runs: {{last: {{status: RUNNING}}}}}}
  - advance: 3m
  - reconcile
expect: {{runs: {{last: {{status: SUCCEEDED}}}}, orders: {{O1: {{status: CANCELED}}}}}}
"""

    result = run(BOOKS + CANCELED_AT_THE_EXCHANGE + text, scratch)

    assert result_lines(result) == ["PASS example"]
    assert result.remarks == ()


def test_a_crash_that_does_not_happen_is_remarked_on(scratch: ScratchDatabase) -> None:
    result = run("steps: [{crash: before_commit}, reconcile, reconcile]\n", scratch)

    assert result.remarks == ("the run did not come to 'before_commit': it was not killed",)
    assert result.passed


def test_a_lock_is_held_for_its_time_and_by_one(scratch: ScratchDatabase) -> None:
    lock = "{lock: {profile: alpha, for: 10s}}"

    twice = run(f"steps: [{lock}, {lock}]\n", scratch)
    later = run(
        f"steps: [{lock}, {{advance: 10s}}, {lock}, {{unlock: {{profile: alpha}}}}]\n", scratch
    )
    never = run("steps: [{unlock: {profile: alpha}}]\n", scratch)

    assert "the lock of profile 'alpha' is held already" in str(twice.failures[0].got)
    assert (later.failures, never.failures) == ((), ())
    assert Profile.objects.get(name="alpha").lease.holder == ""


def test_concurrent_steps_all_end_and_the_first_error_is_told(
    scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = []

    def fail_for_main(*, ports: Ports, account: str | None, profile: str | None) -> None:
        Order.objects.count()
        ended.append(account)
        if account == "main":
            raise ValueError("no luck")

    monkeypatch.setattr(actions, "reconcile_accounts", fail_for_main)
    both = "{concurrently: [{reconcile: {account: main}}, {reconcile: {account: other}}]}"

    result = run(f"steps: [{both}]\n", scratch)

    assert sorted(ended) == ["main", "other"]
    assert [each.got for each in result.failures] == ["ValueError: no luck"]


@pytest.mark.parametrize(
    "change", ["reason: X", "run_id: 4", "action: nothing", "after: gone", "hash: '00'"]
)
def test_tampering_with_any_part_of_an_event_breaks_the_chain(
    change: str, scratch: ScratchDatabase
) -> None:
    tamper = f"steps: [{{tamper: {{table: audit, sequence: 2, set: {{{change}}}}}}}]\n"

    assert run(tamper + "expect: {audit_chain: broken}\n", scratch).passed
    # The triggers are back: this would have changed the event.
    with pytest.raises(Exception, match="audit_event_is_final"):
        AuditEvent.objects.filter(sequence=1).update(action="x")


def test_tampering_with_an_event_that_is_not_there_is_told(scratch: ScratchDatabase) -> None:
    result = run("steps: [{tamper: {table: audit, sequence: 99, set: {reason: X}}}]\n", scratch)

    assert "there is no audit event 99" in str(result.failures[0].got)


def test_decimals_of_the_state_are_exact(scratch: ScratchDatabase) -> None:
    order = "{O1: {quantity: '0.123456789012345678'}}"

    result = run(f"{BOOKS}steps: [{{database: {{orders: {order}}}}}]\n", scratch)

    assert result.state["orders"]["O1"]["quantity"] == Decimal("0.123456789012345678")  # type: ignore[index]
