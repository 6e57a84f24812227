"""`run_portal` says what is missing, with the way out, before it starts anything."""

from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf

from reconciliation.management.commands import run_portal
from reconciliation.supervisor import portal
from reconciliation.supervisor.web import AddressUnusable, parse_address, require_free

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*args: object) -> None:
        raise AssertionError("it was started")

    monkeypatch.setattr(run_portal, "supervise", start)
    monkeypatch.setattr(run_portal, "require_free", lambda address: None)


def refused(**options: Any) -> str:
    with pytest.raises(CommandError) as refusal:
        call_command("run_portal", **options)
    return str(refusal.value)


@pytest.mark.parametrize("bind", ["nonsense", "8000", "127.0.0.1:0", "127.0.0.1:70000", ":8000"])
def test_an_address_that_is_none_is_refused_with_an_example(bind: str) -> None:
    assert refused(bind=bind) == f"--bind: {bind!r} is not HOST:PORT; for example 127.0.0.1:8000"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("127.0.0.1:8000", "127.0.0.1", 8000), ("[::1]:80", "::1", 80), ("recon:443", "recon", 443)],
)
def test_an_address_is_read_and_written_the_same(text: str, host: str, port: int) -> None:
    address = parse_address(text)
    assert (address.host, address.port, str(address)) == (host, port, text)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(AddressUnusable, match=r"192\.0\.2\.1:8000 cannot be listened on"):
        require_free(parse_address("192.0.2.1:8000"))


@pytest.mark.parametrize("threads", [0, 101])
def test_a_number_of_threads_that_serves_nobody_is_refused(threads: int) -> None:
    assert refused(threads=threads).startswith("--threads: a whole number from 1 to 100")


def test_an_interval_that_no_schedule_can_keep_is_refused() -> None:
    odd = {**settings.RECON_ENVIRON, "RECON_INTERVAL_SECONDS": "90"}
    with override_settings(RECON_ENVIRON=odd):
        assert "RECON_INTERVAL_SECONDS: 90 is not a multiple of 60" in refused()


def test_tables_of_another_version_are_refused() -> None:
    applied = MigrationRecorder.Migration.objects.filter(app="reconciliation")
    last = applied.order_by("name").last()
    last.delete()
    assert refused() == (
        f"the database lacks 1 migrations (reconciliation.{last.name}): run `manage.py migrate`,"
        " then start again"
    )


def test_a_broker_that_does_not_answer_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = "redis://user:hidden@127.0.0.1:1/0"
    monkeypatch.setattr(Conf, "REDIS", url)
    monkeypatch.setattr(portal, "get_broker", lambda: Redis("reconciliation"))
    with override_settings(REDIS_URL=url):
        words = refused()
    assert words.startswith("REDIS_URL: the broker does not answer (ConnectionError)")
    assert "hidden" not in words


@pytest.mark.parametrize(
    ("redirects", "header", "warned"),
    [(True, None, True), (True, ("HTTP_X_FORWARDED_PROTO", "https"), False), (False, None, False)],
)
def test_a_portal_that_only_redirects_says_so(
    caplog: pytest.LogCaptureFixture,
    redirects: bool,
    header: tuple[str, str] | None,
    warned: bool,
) -> None:
    with override_settings(SECURE_SSL_REDIRECT=redirects):
        run_portal.warn_of_redirects(header)
    assert ("BEHIND_TLS_PROXY=true" in caplog.text) is warned
