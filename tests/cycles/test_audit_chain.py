"""A long chain is checked in several tasks, from one signed place to the next."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django_q.models import OrmQ

from reconciliation import conf, tasks
from reconciliation.cycles import audit_chain
from reconciliation.cycles.errands import do_errand
from reconciliation.cycles.ports import Ports
from reconciliation.domain.audit import AuditRow, system_actor
from reconciliation.domain.checkpoints import VERIFIED_EVERY
from reconciliation.enums import ErrandKind, ErrandStatus
from reconciliation.handlers.checkpoints import write_checkpoint
from reconciliation.handlers.errands import SILENT_FOR, schedule_errand
from reconciliation.models import Errand, Escalation
from reconciliation.selectors.audit import ChainReader
from tests.attacks import chains
from tests.builders import NOW, FixedClock
from tests.guards import guards_lifted
from tests.signing import signed_conf

pytestmark = pytest.mark.django_db
EVENTS = 10


class NoGateways:
    def of(self, account: object) -> Any:
        raise AssertionError("no exchange is asked")


def ports(clock: FixedClock, settings: conf.Conf | None = None) -> Ports:
    return Ports(conf=settings or conf.require({}), clock=clock, gateways=NoGateways())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FixedClock:
    """A clock by which each row that is read takes ten seconds."""
    clock = FixedClock()
    read = ChainReader.rows

    def slowly(self: ChainReader) -> Iterator[AuditRow]:
        for row in read(self):
            clock.advance(seconds=10)
            yield row

    monkeypatch.setattr(ChainReader, "rows", slowly)
    return clock


def errand() -> Errand:
    return Errand.objects.create(
        kind=ErrandKind.VERIFY_AUDIT, status=ErrandStatus.ASKED, asked_by="clara", asked_at=NOW
    )


def test_a_long_check_goes_on_in_further_tasks_until_it_has_an_outcome(clock: FixedClock):
    chains.record(EVENTS)
    asked = errand()
    seen = []
    for _ in range(20):
        OrmQ.objects.all().delete()
        do_errand(errand_id=asked.pk, ports=ports(clock))
        asked.refresh_from_db()
        if asked.status == ErrandStatus.DONE:
            break
        seen.append(asked.result["sequence"])
        (queued,) = OrmQ.objects.all()
        assert (queued.func(), queued.args()) == ("reconciliation.tasks.do_errand", (asked.pk,))
        assert (asked.status, asked.started_at) == (ErrandStatus.ASKED, NOW)
    assert seen == sorted(set(seen))
    assert len(seen) > 2
    assert asked.says.startswith(f"intact: {EVENTS} events")
    assert (asked.result["intact"], asked.result["events"]) == (True, EVENTS)
    assert not OrmQ.objects.exists()


def test_a_place_that_nobody_signed_is_not_believed(clock: FixedClock):
    chains.record(EVENTS)
    asked = errand()
    do_errand(errand_id=asked.pk, ports=ports(clock))
    other = errand()
    asked.refresh_from_db()
    # The place of another errand, signed though it is, proves nothing of this one.
    Errand.objects.filter(pk=other.pk).update(result=asked.result)
    with guards_lifted():
        chains.edit(1)
    do_errand(errand_id=other.pk, ports=ports(FixedClock(clock.now())))
    other.refresh_from_db()
    assert other.status == ErrandStatus.FAILED
    assert other.says.startswith("broken at sequence 1: edited")


def test_a_break_is_told_to_a_person(clock: FixedClock):
    chains.record(2)
    with guards_lifted():
        chains.edit(2)
    asked = errand()
    do_errand(errand_id=asked.pk, ports=ports(FixedClock()))
    asked.refresh_from_db()
    assert (asked.status, asked.result["broken_at"]) == (ErrandStatus.FAILED, 2)
    assert Escalation.objects.get().kind == "AUDIT_CHAIN_BROKEN"


def test_a_chain_that_proves_itself_and_contradicts_its_checkpoint_is_broken(tmp_path: Path):
    settings, clock = signed_conf(tmp_path), FixedClock()
    chains.record(4)
    write_checkpoint(conf=settings, clock=clock, actor=system_actor("test"))
    with guards_lifted():
        chains.rewrite(2)
    asked = errand()
    do_errand(errand_id=asked.pk, ports=ports(clock, settings))
    asked.refresh_from_db()
    assert asked.status == ErrandStatus.FAILED
    assert (asked.result["intact"], asked.result["checkpoint_agrees"]) == (True, False)
    assert "rewritten: event 4" in asked.says
    assert Escalation.objects.get().key == "AUDIT_CHAIN_BROKEN checkpoint"


def test_the_schedule_makes_one_check_a_day_and_takes_up_one_that_was_left_lying():
    clock = FixedClock()

    def due() -> Errand | None:
        return schedule_errand(
            kind=ErrandKind.VERIFY_AUDIT, asked_by="daily", every=VERIFIED_EVERY, clock=clock
        )

    first = due()
    assert first is not None
    assert due() is None
    clock.advance(seconds=SILENT_FOR.total_seconds() + 1)
    assert due() == first
    do_errand(errand_id=first.pk, ports=ports(clock))
    assert due() is None
    clock.moment += timedelta(hours=13)
    assert due() not in (None, first)


def test_the_task_of_the_schedule_checks_the_chain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "_ports", lambda pid: ports(FixedClock()))
    chains.record(3)
    assert tasks.verify_audit().startswith("intact: 3 events")
    assert tasks.verify_audit().endswith("nothing to do")


def test_the_task_of_the_schedule_signs_the_end_of_the_chain_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tasks, "_ports", lambda pid: ports(FixedClock(), signed_conf(tmp_path)))
    chains.record(3)
    assert tasks.checkpoint_audit().startswith("event 3 is signed by the key")
    assert tasks.checkpoint_audit().endswith("nothing to do")


def test_without_a_folder_and_a_key_nothing_is_signed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tasks, "_ports", lambda pid: ports(FixedClock()))
    assert tasks.checkpoint_audit() == "checkpoints are off: RECON_AUDIT_CHECKPOINT_DIR is not set"


def test_how_long_a_task_checks_is_less_than_what_the_queue_allows(settings: Any):
    assert settings.Q_CLUSTER["timeout"] > audit_chain.TASK_SECONDS + 15
