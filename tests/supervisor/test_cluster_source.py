"""The sign of life of a cluster: both its stamps move on, and they are its own."""

from datetime import timedelta
from typing import Any

import django.db
import pytest
from django.db import OperationalError
from django_q.models import OrmQ

from reconciliation.handlers.jobs import drop_old_beats, record_result_kept, record_task_taken
from reconciliation.models import ClusterBeat
from reconciliation.supervisor import cluster, workers
from reconciliation.supervisor.cluster import BEAT, ClusterSource
from reconciliation.supervisor.pulse import Sign
from reconciliation.supervisor.workers import CLUSTER_ID
from tests import builders
from tests.builders import NOW
from tests.supervisor.portal import NOT_ASKED

pytestmark = pytest.mark.django_db


class Seconds:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def source(seconds: Seconds, monkeypatch: pytest.MonkeyPatch) -> ClusterSource:
    # A test's connection holds its transaction, and must not be closed for its age.
    monkeypatch.setattr(cluster, "close_old_connections", lambda: None)
    return ClusterSource(every=10, catch_up=["reconcile.everything"], monotonic=seconds)


def queued() -> list[str]:
    return [row.func() for row in OrmQ.objects.order_by("pk")]


def take(name: str, *, after: int) -> None:
    record_task_taken(cluster=name, host="here", now=NOW + timedelta(seconds=after))


def keep(name: str, *, after: int) -> None:
    record_result_kept(cluster=name, now=NOW + timedelta(seconds=after))


def test_a_task_that_went_all_the_way_is_a_sign(source: ClusterSource) -> None:
    name = source.begin()[CLUSTER_ID]
    assert source.look() is Sign.SILENT
    take(name, after=1)
    assert source.look() is Sign.SILENT
    keep(name, after=1)
    assert source.look() is Sign.ALIVE
    assert source.look() is Sign.SILENT


def test_a_cluster_that_takes_tasks_and_keeps_no_result_is_silent(source: ClusterSource) -> None:
    name = source.begin()[CLUSTER_ID]
    take(name, after=1)
    keep(name, after=1)
    assert source.look() is Sign.ALIVE
    for after in (2, 3):
        take(name, after=after)
        assert source.look() is Sign.SILENT


def test_another_cluster_and_the_one_before_are_no_sign(source: ClusterSource) -> None:
    before = source.begin()[CLUSTER_ID]
    name = source.begin()[CLUSTER_ID]
    assert name != before
    for other in (before, "another"):
        take(other, after=1)
        keep(other, after=1)
    assert source.look() is Sign.SILENT


def test_beats_are_queued_until_it_is_heard_of_and_then_when_they_are_due(
    source: ClusterSource, seconds: Seconds
) -> None:
    name = source.begin()[CLUSTER_ID]
    source.look()
    source.look()
    assert queued() == [BEAT] * 2
    take(name, after=1)
    keep(name, after=1)
    source.look()
    OrmQ.objects.all().delete()
    seconds.now = 9
    source.look()
    assert queued() == []
    seconds.now = 10
    source.look()
    assert queued() == [BEAT]


def test_beats_do_not_pile_up_while_no_cluster_comes_up(source: ClusterSource) -> None:
    source.begin()
    for _ in range(50):
        source.look()
    assert queued() == [BEAT] * cluster.ENOUGH_WAITING


def test_what_no_schedule_queues_is_queued_from_here_once_a_minute(
    source: ClusterSource, seconds: Seconds, caplog: pytest.LogCaptureFixture
) -> None:
    name = source.begin()[CLUSTER_ID]
    late = []
    for now in (1, 50, 61, 100, 121):
        OrmQ.objects.all().delete()
        seconds.now = now
        take(name, after=now)
        keep(name, after=now)
        assert source.look() is Sign.ALIVE
        late += [now for func in queued() if func == "reconcile.everything"]
    # The first is that of the start.
    assert late == [1, 61, 121]
    assert "no schedule queues reconcile.everything in time" in caplog.text


def test_after_its_first_sign_the_jobs_are_queued_once(source: ClusterSource) -> None:
    name = source.begin()[CLUSTER_ID]
    for after in (1, 2):
        take(name, after=after)
        keep(name, after=after)
        source.look()
    assert queued().count("reconcile.everything") == 1


def test_a_database_that_cannot_be_asked_is_no_fault_of_the_cluster(
    source: ClusterSource, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    source.begin()

    def gone(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("server closed the connection")

    with monkeypatch.context() as patched:
        patched.setattr(ClusterSource, "_read", gone)
        assert [source.look(), source.look()] == [Sign.UNKNOWN] * 2
    assert source.look() is Sign.SILENT
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert told == [f"{NOT_ASKED}: OperationalError: server closed the connection"]


def test_a_stamp_that_cannot_be_written_ends_no_process_of_the_queue(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(CLUSTER_ID, raising=False)
    workers.stamp_task(task={})
    workers.stamp_result(task={})
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2


def test_stamps_are_of_the_cluster_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(django.db, "close_old_connections", lambda: None)
    monkeypatch.setenv(CLUSTER_ID, "mine")
    workers.stamp_task(task={})
    workers.stamp_result(task={})
    row = ClusterBeat.objects.get()
    assert (row.cluster, row.result_at is not None) == ("mine", True)


def test_rows_of_clusters_that_are_long_over_are_dropped() -> None:
    builders.make_beat("old", task_at=NOW - timedelta(days=2))
    builders.make_beat("new")
    assert drop_old_beats(now=NOW) == 1
    assert ClusterBeat.objects.get().cluster == "new"
