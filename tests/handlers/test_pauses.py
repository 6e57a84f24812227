"""A person stops trading and lets it go on; each word is audited, each source ends by itself."""

import json
from typing import Any

import pytest

from reconciliation.enums import DecisionRefusal, PauseSource
from reconciliation.handlers.pauses import PauseOutcome, pause_profile, resume_profile
from reconciliation.models import AuditEvent, Pause
from tests.builders import NOW, FixedClock, make_pause, make_profile
from tests.handlers.people import nobody, person
from tests.handlers.worlds import CONF

pytestmark = pytest.mark.django_db
WATCHDOG, OPERATOR = PauseSource.PARITY_WATCHDOG, PauseSource.OPERATOR


def stop(**values: Any) -> PauseOutcome:
    return pause_profile(**{**_asked(), **values})


def go_on(**values: Any) -> PauseOutcome:
    return resume_profile(**{**_asked(), **values})


def _asked() -> dict[str, Any]:
    return {
        "profile": make_profile(),
        "person": person(),
        "reason": "",
        "clock": FixedClock(),
        "conf": CONF,
    }


def events() -> list[tuple[str, str, str, dict[str, Any]]]:
    said = [json.loads(event.payload) for event in AuditEvent.objects.order_by("sequence")]
    return [(each["action"], each["outcome"], each["reason"], each["after"]) for each in said]


def test_a_pause_is_written_with_who_and_why_and_its_event():
    outcome = stop(reason="  news at two ")
    assert (outcome.refusal, outcome.changed, outcome.sources) == (None, True, (OPERATOR,))
    pause = Pause.objects.get()
    assert (pause.source, pause.reason, pause.started_by) == (OPERATOR, "news at two", "olga")
    assert (pause.started_at, pause.ended_at) == (NOW, None)
    assert events() == [("pause.started", "applied", "", {"source": "OPERATOR"})]
    event = AuditEvent.objects.get()
    assert (event.profile_name, event.account_name, event.object_id) == (
        "alpha",
        "main",
        str(pause.pk),
    )
    said = json.loads(event.payload)
    assert (said["comment"], said["request_id"], said["ip"]) == (
        "news at two",
        "request-1",
        "10.0.0.1",
    )


def test_pausing_twice_changes_nothing_and_says_so():
    stop()
    outcome = stop(person=person("otto"))
    assert (outcome.refusal, outcome.changed, outcome.sources) == (None, False, (OPERATOR,))
    assert outcome.said == "alpha is paused by olga already"
    assert Pause.objects.count() == AuditEvent.objects.count() == 1


def test_a_resume_ends_the_persons_pause():
    stop()
    outcome = go_on(person=person("otto"), reason="news is out")
    assert (outcome.changed, outcome.sources) == (True, ())
    pause = Pause.objects.get()
    assert (pause.ended_at, pause.ended_by, pause.end_reason) == (NOW, "otto", "news is out")
    assert not pause.auto_resumed
    assert events()[1] == (
        "pause.ended",
        "applied",
        "",
        {"auto_resumed": False, "source": "OPERATOR"},
    )


def test_a_profile_can_be_paused_again_after_a_resume():
    stop()
    go_on()
    assert stop().changed
    assert Pause.objects.open().count() == 1


def test_a_resume_that_names_no_source_leaves_the_watchdogs_pause():
    make_pause(source=WATCHDOG)
    outcome = go_on(reason="looks good")
    assert (outcome.refusal, outcome.changed, outcome.sources) == (None, False, (WATCHDOG,))
    assert outcome.said == "alpha is not paused by OPERATOR; it is still paused by PARITY_WATCHDOG"
    assert Pause.objects.open().count() == 1


def test_of_both_sources_a_resume_ends_one():
    make_pause(source=WATCHDOG)
    stop()
    assert go_on().sources == (WATCHDOG,)
    assert [pause.source for pause in Pause.objects.open()] == [WATCHDOG]


def test_the_watchdogs_pause_is_lifted_by_its_name_and_a_reason_with_how_far_it_was():
    make_pause(source=WATCHDOG)
    outcome = go_on(source=WATCHDOG, reason="booked by hand")
    assert (outcome.changed, outcome.sources) == (True, ())
    pause = Pause.objects.get()
    assert (pause.ended_by, pause.end_reason, pause.auto_resumed) == (
        "olga",
        "booked by hand",
        False,
    )
    conditions = {each["name"]: each["met"] for each in pause.end_evidence["conditions"]}
    assert conditions == {
        "enabled": True,
        "source": True,
        "paused_ms": False,
        "clean_heartbeats": False,
        "since_auto_resume_ms": True,
    }
    assert events()[0][3]["conditions"] == pause.end_evidence["conditions"]


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_without_a_reason_the_watchdogs_pause_stays(reason: str):
    make_pause(source=WATCHDOG)
    outcome = go_on(source=WATCHDOG, reason=reason)
    assert (outcome.refusal, outcome.changed, outcome.sources) == (
        DecisionRefusal.REASON_NEEDED,
        False,
        (WATCHDOG,),
    )
    assert events() == [("pause.refused", "refused", "REASON_NEEDED", {"asked": "resume"})]
    assert Pause.objects.open().count() == 1


def test_who_may_not_is_denied_and_the_attempt_is_audited():
    assert stop(person=nobody()).refusal == DecisionRefusal.DENIED
    make_pause(source=OPERATOR)
    assert go_on(person=nobody()).refusal == DecisionRefusal.DENIED
    assert events() == [
        ("pause.denied", "denied", "DENIED", {"asked": "pause"}),
        ("pause.denied", "denied", "DENIED", {"asked": "resume"}),
    ]
    assert Pause.objects.open().count() == 1


def test_a_text_that_no_column_holds_is_kept_as_far_as_it_can_be():
    stop(reason="a\x00b")
    assert Pause.objects.get().reason == "a�b"
