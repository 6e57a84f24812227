"""/internal/health over HTTP: the status code is the verdict; a lost database is no traceback."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from reconciliation.models import Mismatch
from reconciliation.selectors.health import FIELDS
from reconciliation.selectors.reading import bounded_read
from tests.builders import make_account, make_run
from tests.web.conftest import Ask

pytestmark = pytest.mark.django_db
HEALTH = "/internal/health"


def ran_just_now() -> None:
    now = datetime.now(UTC)
    make_run(started_at=now, finished_at=now)


def test_a_healthy_loop_answers_200(ask: Ask):
    ran_just_now()
    response = ask(HEALTH)
    assert response.status_code == 200
    assert tuple(response.json()) == FIELDS
    assert response.json()["status"] == "ok"


def test_a_loop_that_is_not_healthy_answers_503_with_all_that_is_known(ask: Ask):
    make_account()
    response = ask(HEALTH)
    assert response.status_code == 503
    assert response.json()["reconciliationMismatchCount"] == 0
    assert response.json()["problems"] == ["main: no cycle has finished yet"]


@pytest.mark.parametrize("failing", range(8))
@pytest.mark.parametrize("error", [OperationalError, InterfaceError, DatabaseError])
def test_a_database_that_is_gone_answers_503_and_claims_nothing(ask: Ask, error, failing, caplog):
    ran_just_now()
    asked = []

    def gone(execute, sql, params, many, context):
        if sql.startswith("SELECT ") and "set_config" not in sql:
            asked.append(sql)
        if len(asked) > failing:
            raise error('connection to server at "db.example" failed\nIs it running?')
        return execute(sql, params, many, context)

    with connection.execute_wrapper(gone):
        response = ask(HEALTH)
    if len(asked) <= failing:
        assert response.status_code == 200
        return
    said = response.json()
    assert (response.status_code, said["status"]) == (503, "down")
    assert said["reconciliationLoopHealthy"] is None
    assert said["reconciliationMismatchCount"] is None
    assert said["accounts"] is None
    (why,) = said["problems"]
    assert why.endswith(f'{error.__name__}: connection to server at "db.example" failed')
    assert why in caplog.text


def test_a_table_that_is_not_there_is_told_like_a_database_that_is_gone(ask: Ask, monkeypatch):
    monkeypatch.setattr(Mismatch._meta, "db_table", "not_migrated")
    response = ask(HEALTH)
    assert response.status_code == 503
    assert "not_migrated" in response.json()["problems"][0]


def test_a_fault_of_ours_is_not_taken_for_a_database_that_is_gone(ask: Ask, monkeypatch):
    monkeypatch.setattr("reconciliation.web.internal.load_health", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(HEALTH)


def test_a_statement_that_takes_too_long_is_ended():
    if connection.vendor != "postgresql":
        pytest.skip("SQLite runs in this process: there is no server to be slow")
    with (
        pytest.raises(OperationalError, match="statement timeout"),
        bounded_read(timedelta(milliseconds=50)),
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT pg_sleep(20)")


def test_a_locked_sqlite_file_is_not_waited_for_longer_than_told_and_only_by_this_read():
    if connection.vendor != "sqlite":
        pytest.skip("of SQLite only")

    def patience() -> int:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout")
            return cursor.fetchone()[0]

    before = patience()
    with bounded_read(timedelta(milliseconds=50)):
        assert patience() == 50
    assert patience() == before > 50
