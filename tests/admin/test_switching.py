"""Who switches a job off says why, everybody is told, and a start of the portal switches it on."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django_q.models import OrmQ, Schedule

from reconciliation import conf, tasks
from reconciliation.admin import deciding_types
from reconciliation.domain.audit import system_actor
from reconciliation.enums import EscalationKind, Role
from reconciliation.handlers import schedules as handler
from reconciliation.models import AuditEvent, Escalation
from reconciliation.schedules import jobs, mind_schedules, neglected
from tests.admin.pages import Console, Page
from tests.admin.people import client_of
from tests.builders import NOW, FixedClock

pytestmark = pytest.mark.django_db

TABLE = jobs(conf.require({}))
ACTOR = system_actor("supervisor")


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)
    mind(after_start=True)


def mind(**how: Any) -> list[Any]:
    return mind_schedules(TABLE, clock=FixedClock(), actor=ACTOR, **how)


def address(name: str, verb: str) -> str:
    row = Schedule.objects.get(name=name)
    return reverse("admin:django_q_schedule_switch", args=[row.pk, verb])


def switch(client: Client, name: str, verb: str, reason: str = "keys are renewed") -> Any:
    return client.post(address(name, verb), {"reason": reason})


def events() -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.filter(action__startswith="schedule.").order_by("sequence")
    return list(rows.values_list("action", "object_id", "outcome"))


def escalations() -> list[tuple[str, str]]:
    rows = Escalation.objects.filter(kind=EscalationKind.SCHEDULE_DISABLED).order_by("pk")
    return list(rows.values_list("key", "status"))


OPEN = ("SCHEDULE_DISABLED schedule reconcile", "OPEN")
RESOLVED = ("SCHEDULE_DISABLED schedule reconcile", "RESOLVED")


def test_the_page_says_what_it_means_before_it_switches_anything(console: Console) -> None:
    page = console.open(address("reconcile", "off"))

    assert "divergence will only grow" in page.main.text
    assert "After 3 min health is down" in page.main.text
    assert "every start and manage.py sync_schedules switch it on" in page.main.text
    assert not escalations()
    assert not Schedule.objects.filter(repeats=0).exists()


def test_a_job_that_is_switched_off_escalates_and_is_on_again_by_its_page(
    console: Console,
) -> None:
    switch(console.client, "reconcile", "off")

    assert events() == [("schedule.disabled", "reconcile", "applied")]
    assert escalations() == [OPEN]
    assert "root: keys are renewed" in Escalation.objects.get().says
    row = Schedule.objects.get(name="reconcile")
    assert row.repeats == 0
    page = Page(console.client.get(f"/admin/django_q/schedule/{row.pk}/change/").content.decode())
    assert "reconcile is switched off" in page.main.text

    switch(console.client, "reconcile", "on", "keys are there")

    assert events()[1:] == [("schedule.enabled", "reconcile", "applied")]
    assert escalations() == [RESOLVED]
    row.refresh_from_db()
    assert (row.repeats, row.next_run) == (-1, NOW)


def test_what_a_person_switched_off_stays_off_until_the_portal_starts(console: Console) -> None:
    switch(console.client, "reconcile", "off")

    mind()
    assert Schedule.objects.get(name="reconcile").repeats == 0
    assert neglected([job.task for job in TABLE], now=NOW) == []
    assert "switched off by root" in tasks.reconcile_all()
    assert not OrmQ.objects.exists()

    mind(after_start=True)
    assert Schedule.objects.get(name="reconcile").repeats == -1
    assert events()[-1] == ("schedule.enabled", "reconcile", "applied")
    assert escalations() == [RESOLVED]


@pytest.mark.parametrize("how", ["repeats", "gone"])
def test_a_job_that_is_off_behind_the_portals_back_is_told_of_and_repaired(how: str) -> None:
    rows = Schedule.objects.filter(name="reconcile")
    if how == "gone":
        rows.delete()
    else:
        rows.update(repeats=0)

    done = {each.name: each.outcome for each in mind()}

    assert done["reconcile"] == ("created" if how == "gone" else "repaired")
    assert events() == [("schedule.disabled", "reconcile", "applied")]
    assert escalations() == [OPEN]
    assert "behind the portal's back" in Escalation.objects.get().says
    assert Schedule.objects.get(name="reconcile").repeats == -1

    mind()
    assert events()[1:] == [("schedule.enabled", "reconcile", "applied")]
    assert escalations() == [RESOLVED]
    assert mind() == []
    assert len(events()) == 2


def test_what_one_person_left_off_is_not_repaired_with_what_another_hand_did(
    console: Console,
) -> None:
    switch(console.client, "heartbeat", "off")
    Schedule.objects.filter(name="reconcile").update(repeats=0)

    mind()

    left = dict(Schedule.objects.values_list("name", "repeats"))
    assert (left["heartbeat"], left["reconcile"]) == (0, -1)


@pytest.mark.parametrize("role", list(Role))
def test_no_role_switches_a_job_and_the_attempt_is_recorded(role: Role) -> None:
    client = client_of("ann", role)

    assert switch(client, "reconcile", "off").status_code == 403

    assert events() == [("schedule.disabled", "reconcile", "denied")]
    assert Schedule.objects.get(name="reconcile").repeats == -1
    assert not escalations()


def test_a_reason_is_needed(console: Console) -> None:
    response = switch(console.client, "reconcile", "off", "  ")

    assert response.status_code == 200
    assert "Say why" in response.content.decode()
    assert not events()


def test_the_job_that_tells_of_the_others_cannot_be_switched_off(console: Console) -> None:
    assert switch(console.client, "watch", "off").status_code == 404
    assert "watch" not in handler.MAY_BE_OFF


def test_a_second_press_changes_nothing(console: Console) -> None:
    for _ in range(2):
        assert switch(console.client, "reconcile", "off").status_code == 302

    assert len(events()) == 1
    assert escalations() == [OPEN]
