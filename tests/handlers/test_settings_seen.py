"""The settings in force are an event when a process starts with other ones, and only then."""

import json
import threading

import pytest
from django.db import connection, connections

from reconciliation.conf import require
from reconciliation.handlers.settings_seen import note_settings
from reconciliation.models import AuditEvent
from tests.builders import FixedClock
from tests.guards import guards_lifted

CONF = require({})
OTHER = require({"RECON_INTERVAL_SECONDS": "120"})


def note(conf=CONF) -> bool:
    return note_settings(conf=conf, clock=FixedClock(), process="web")


@pytest.mark.django_db
def test_settings_are_told_once_and_again_when_they_change():
    assert [note(), note(), note(OTHER), note(OTHER), note()] == [True, False, True, False, True]
    said = [json.loads(event.payload) for event in AuditEvent.objects.order_by("sequence")]
    assert {each["action"] for each in said} == {"settings.changed"}
    assert said[0]["before"] == {}
    assert said[1]["before"] == CONF.as_text()
    assert said[1]["after"] == OTHER.as_text()
    assert said[1]["settings_hash"] == OTHER.hash()


@pytest.mark.django_db
@pytest.mark.parametrize("payload", ["", "[]", '{"after": 5}'])
def test_what_somebody_wrote_over_the_newest_of_them_stops_no_process(payload: str):
    note()
    with guards_lifted():
        AuditEvent.objects.update(payload=payload)
    assert note(OTHER)
    newest = AuditEvent.objects.order_by("sequence").last()
    assert newest is not None
    assert json.loads(newest.payload)["after"] == OTHER.as_text()


@pytest.mark.django_db(transaction=True)
def test_eight_processes_that_start_at_once_write_one_event():
    # A database in memory has one connection, so nobody could come at the same time.
    workers = 1 if connection.vendor == "sqlite" and connection.is_in_memory_db() else 8
    start, wrote = threading.Barrier(workers), []

    def run() -> None:
        start.wait()
        wrote.append(note())
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrote.count(True) == 1
    assert AuditEvent.objects.count() == 1
