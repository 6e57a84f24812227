"""A real Prometheus scrapes a real server, over HTTP and with the token."""

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.signals import request_finished, request_started
from pytest_django.live_server_helper import LiveServer

from tests.builders import make_mismatch, make_profile
from tests.web.conftest import TOKEN
from tests.web.tools import program

# Long, for a machine under load; on an idle one it takes two seconds.
PATIENCE_SECONDS = 60.0
Rows = Callable[[Any], list[dict[str, Any]]]
Wanted = Callable[[dict[str, Any]], bool]
CONFIG = """
global:
  scrape_interval: 2s
scrape_configs:
  - job_name: recon
    metrics_path: /metrics
    authorization: {{credentials: {token}}}
    static_configs: [{{targets: ["{target}"]}}]
"""


class Prometheus:
    """A server that runs for a test; each question is asked again until it has an answer."""

    def __init__(self, address: str, log: Path) -> None:
        self._address = address
        self._log = log

    def target(self, wanted: Wanted) -> dict[str, Any]:
        """Return the only target once it is as wanted; a scrape that was too slow is repeated."""
        return self._until("targets", lambda data: data["activeTargets"], wanted)

    def value(self, query: str) -> float:
        """Return what a query says now."""
        question = f"query?query={quote(query)}"
        found = self._until(question, lambda data: data["result"], lambda row: True)
        return float(found["value"][1])

    def _ask(self, path: str) -> Any:
        connection = HTTPConnection(self._address, timeout=5)
        try:
            connection.request("GET", path)
            return json.load(connection.getresponse())["data"]
        finally:
            connection.close()

    def _until(self, question: str, rows_of: Rows, wanted: Wanted) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        rows: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            try:
                rows = rows_of(self._ask(f"/api/v1/{question}"))
            except (OSError, HTTPException, KeyError, ValueError):
                rows = []  # it is not ready yet
            for row in rows:
                if wanted(row):
                    return row
            time.sleep(0.1)
        pytest.fail(f"{question} says {rows}; the log:\n{self._log.read_text()[-2000:]}")


@contextmanager
def every_request_answered() -> Iterator[None]:
    """Wait for the scrapes under way before the database is cleaned up."""
    under_way: list[object] = []

    def began(**kwargs: Any) -> None:
        under_way.append(None)

    def ended(**kwargs: Any) -> None:
        under_way.pop()

    request_started.connect(began)
    request_finished.connect(ended)
    try:
        yield
        deadline = time.monotonic() + PATIENCE_SECONDS
        while under_way and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        request_started.disconnect(began)
        request_finished.disconnect(ended)


@contextmanager
def prometheus(folder: Path, target: str, token: str) -> Iterator[Prometheus]:
    config, log = folder / "prometheus.yml", folder / "log"
    config.write_text(CONFIG.format(target=target, token=token))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        program("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (
        every_request_answered(),
        log.open("w") as output,
        subprocess.Popen(command, stdout=output, stderr=output) as process,  # noqa: S603
    ):
        try:
            yield Prometheus(address, log)
        finally:
            process.kill()


@pytest.mark.django_db(transaction=True)
def test_a_real_prometheus_takes_every_sample(tmp_path: Path, live_server: LiveServer, settings):
    settings.INTERNAL_API_TOKEN = TOKEN
    make_mismatch(profile=make_profile())
    target = live_server.url.removeprefix("http://")
    with prometheus(tmp_path, target, TOKEN) as server:
        assert server.target(lambda target: target["health"] == "up")["lastError"] == ""
        assert server.value('reconciliation_mismatch_total{profile="alpha"}') == 1
        assert server.value("sum(reconciliation_open_mismatches)") == 1
        assert server.value("reconciliation_loop_healthy") == 0


@pytest.mark.django_db(transaction=True)
def test_a_prometheus_with_another_token_sees_a_target_that_is_down(
    tmp_path: Path, live_server: LiveServer, settings
):
    settings.INTERNAL_API_TOKEN = TOKEN
    with prometheus(tmp_path, live_server.url.removeprefix("http://"), "another") as server:
        assert server.target(lambda target: "401" in target["lastError"])["health"] == "down"
