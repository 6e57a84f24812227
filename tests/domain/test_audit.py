"""An event has one text, a text one leaf, a chain one order; every change to them shows."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.audit import (
    GENESIS,
    INDEX_COLUMNS,
    Actor,
    AuditRow,
    ChainFault,
    ChainHead,
    ChainReport,
    EventDraft,
    event_fields,
    leaf_of,
    link,
    payload_of,
    system_actor,
    verify,
)
from reconciliation.enums import ActorType, AuditOutcome

ANN = Actor(type=ActorType.USER, id="7", name="ann", groups=("Operator", "Approver"))
DRAFT = EventDraft(
    action="trade.synthetic_exit",
    object_type="trade",
    object_id="T1",
    profile="alpha",
    account="main",
    before={"quantity": Decimal("0.50"), "at": datetime(2026, 1, 5, tzinfo=UTC)},
    after={"quantity": Decimal(0)},
    reason_code="CONFIRMED_FLAT",
    comment="flat since noon",
    maker="ann",
    checker="bob",
    evidence=("aa", "bb"),
)
# The text of DRAFT by ANN, frozen: a change of it would break every chain that exists.
PAYLOAD = (
    '{"account_name":"main","action":"trade.synthetic_exit","actor_groups":["Approver","Operator"],'
    '"actor_id":"7","actor_name":"ann","actor_type":"user","after":{"quantity":"0"},'
    '"before":{"at":"2026-01-05T00:00:00.000000Z","quantity":"0.5"},"checker":"bob",'
    '"comment":"flat since noon","event_id":"00000000-0000-0000-0000-000000000001",'
    '"evidence":["aa","bb"],"ip":"10.0.0.1","maker":"ann","object_id":"T1","object_type":"trade",'
    '"occurred_at":"2026-01-05T12:00:00.000000Z","outcome":"applied","profile_name":"alpha",'
    '"reason":"CONFIRMED_FLAT","request_id":"r1","run_id":3,"schema":1,"settings_hash":"5e"}'
)
FROZEN_LEAF = "9c6d21a1c7e78f8afe2164065db14fadc0bfdf2a28c8ad8f007bd3887f5358d5"
FROZEN_HASH = "0ef4c896335aecc2fa5fe7b7ab51d46b938e166b797eb9ce54325c816b94aa8b"


def payload(draft: EventDraft = DRAFT, *, occurred_at: datetime | None = None) -> str:
    return payload_of(
        event_fields(
            draft=draft,
            actor=ANN,
            event_id=UUID(int=1),
            occurred_at=occurred_at or datetime(2026, 1, 5, 12, tzinfo=UTC),
            settings_hash="5e",
            run_id=3,
            request_id="r1",
            ip="10.0.0.1",
        )
    )


def make_row(sequence: int, previous: str, *, action: str = "a.b") -> AuditRow:
    fields = event_fields(
        draft=EventDraft(action=action),
        actor=system_actor("test"),
        event_id=UUID(int=sequence),
        occurred_at=datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=sequence),
        settings_hash="",
        run_id=None,
        request_id="",
        ip="",
    )
    text = payload_of(fields)
    said = json.loads(text)
    leaf = leaf_of(text)
    return AuditRow(
        sequence=sequence,
        columns={name: said[name] for name in INDEX_COLUMNS},
        payload=text,
        leaf=leaf,
        previous_hash=previous,
        hash=link(previous, leaf),
    )


def make_chain(length: int) -> list[AuditRow]:
    rows: list[AuditRow] = []
    for sequence in range(1, length + 1):
        rows.append(make_row(sequence, rows[-1].hash if rows else GENESIS))
    return rows


def check(rows: list[AuditRow], *, whole: list[AuditRow]) -> ChainReport:
    """Verify rows against the head of the whole chain."""
    head = ChainHead(sequence=len(whole), hash=whole[-1].hash if whole else GENESIS)
    return verify(rows, head=lambda: head)


def test_the_text_of_an_event_never_changes():
    assert payload() == PAYLOAD


def test_the_same_moment_in_another_zone_is_the_same_text():
    there = datetime(2026, 1, 5, 14, tzinfo=timezone(timedelta(hours=2)))
    assert payload(occurred_at=there) == PAYLOAD


def test_a_leaf_and_a_link_are_what_the_documentation_says():
    leaf = leaf_of(PAYLOAD)
    assert leaf == hashlib.sha256(b"\x00" + PAYLOAD.encode()).hexdigest()
    sealed = hashlib.sha256(b"\x01" + bytes(32) + bytes.fromhex(leaf)).hexdigest()
    assert link(GENESIS, leaf) == sealed


def test_hashes_are_frozen():
    assert leaf_of(PAYLOAD) == FROZEN_LEAF
    assert link(GENESIS, FROZEN_LEAF) == FROZEN_HASH


def test_a_float_has_no_text():
    with pytest.raises(TypeError, match="float"):
        payload(replace(DRAFT, after={"quantity": 0.5}))


def test_half_a_surrogate_pair_is_kept_as_its_escape():
    text = payload(replace(DRAFT, comment="half \ud83d"))
    assert json.loads(text)["comment"] == "half \ud83d"
    assert leaf_of(text)


def test_the_outcome_is_applied_unless_said():
    assert EventDraft(action="a.b").outcome is AuditOutcome.APPLIED


@pytest.mark.parametrize("length", [0, 1, 5])
def test_a_chain_that_nobody_touched_is_intact(length: int):
    rows = make_chain(length)
    report = check(rows, whole=rows)
    assert report == ChainReport(count=length, head=rows[-1].hash if rows else GENESIS)
    assert report.intact


def test_rows_are_read_once_and_one_by_one():
    rows = make_chain(5)
    head = ChainHead(sequence=5, hash=rows[-1].hash)
    assert verify(iter(rows), head=lambda: head).intact


def test_the_head_is_asked_after_the_last_row():
    rows = make_chain(2)
    read: list[int] = []

    def reading():
        for row in rows:
            read.append(row.sequence)
            yield row

    def head() -> ChainHead:
        assert read == [1, 2]
        return ChainHead(sequence=2, hash=rows[-1].hash)

    assert verify(reading(), head=head).intact


LENGTH = 6
positions = st.integers(0, LENGTH - 1)


@given(at=positions, text=st.text())
def test_any_edit_of_a_payload_is_found_where_it_is(at: int, text: str):
    rows = make_chain(LENGTH)
    if text == rows[at].payload:
        return
    text = text.encode("utf-8", "replace").decode()
    report = check([*rows[:at], replace(rows[at], payload=text), *rows[at + 1 :]], whole=rows)
    assert (report.broken_at, report.fault, report.count) == (at + 1, ChainFault.EDITED, at)


@given(first=positions, last=positions)
def test_any_deletion_is_found_where_it_begins(first: int, last: int):
    rows = make_chain(LENGTH)
    left = [row for at, row in enumerate(rows) if not first <= at <= last]
    report = check(left, whole=rows)
    if first > last:
        assert report.intact
        return
    assert report.broken_at == first + 1
    cut = last == LENGTH - 1
    assert report.fault == (ChainFault.TAIL_CUT if cut else ChainFault.MISSING)


@given(order=st.permutations(range(LENGTH)))
def test_any_other_order_is_found_no_later_than_where_it_begins(order: list[int]):
    rows = make_chain(LENGTH)
    moved = [replace(rows[old], sequence=new + 1) for new, old in enumerate(order)]
    report = check(moved, whole=rows)
    first = next((new for new, old in enumerate(order) if new != old), None)
    if first is None:
        assert report.intact
        return
    assert not report.intact
    # An order in which 3 and 4 follow 5 looks, at the first of them, like an inserted 5.
    assert report.broken_at == first + 1
    assert report.fault in {ChainFault.REORDERED, ChainFault.UNLINKED, ChainFault.INSERTED}


@given(at=st.integers(0, LENGTH), continues=st.booleans())
def test_any_insertion_is_found_where_it_is(at: int, continues: bool):
    rows = make_chain(LENGTH)
    previous = (rows[at - 1].hash if at else GENESIS) if continues else "ab" * 32
    stranger = make_row(at + 1, previous, action="in.serted")
    later = [replace(row, sequence=row.sequence + 1) for row in rows[at:]]
    report = check([*rows[:at], stranger, *later], whole=rows)
    assert report.broken_at == at + 1
    if at < LENGTH or continues:
        assert report.fault == ChainFault.INSERTED


@given(at=positions, column=st.sampled_from(INDEX_COLUMNS))
def test_any_column_that_differs_from_the_payload_is_found(at: int, column: str):
    rows = make_chain(LENGTH)
    changed = replace(rows[at], columns={**rows[at].columns, column: "else"})
    report = check([*rows[:at], changed, *rows[at + 1 :]], whole=rows)
    assert (report.broken_at, report.fault) == (at + 1, ChainFault.COLUMN_DIFFERS)
    assert column in report.detail


@given(kept=st.integers(0, LENGTH - 1))
def test_a_head_row_set_back_with_the_tail_left_is_found(kept: int):
    rows = make_chain(LENGTH)
    report = check(rows, whole=rows[:kept])
    assert (report.broken_at, report.fault) == (kept + 1, ChainFault.INSERTED)


def test_a_head_row_that_is_gone_or_has_another_hash_is_found():
    rows = make_chain(2)
    assert verify(rows, head=lambda: None).fault == ChainFault.HEAD_DIFFERS
    other = ChainHead(sequence=2, hash="ab" * 32)
    report = verify(rows, head=lambda: other)
    assert (report.broken_at, report.fault, report.count) == (2, ChainFault.HEAD_DIFFERS, 2)
