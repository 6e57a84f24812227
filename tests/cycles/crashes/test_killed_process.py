"""A real process is killed in the middle of its work; another one makes it good."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection

from reconciliation.clock import SystemClock
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_account
from reconciliation.enums import CycleStep, HistorySource, RunStatus
from reconciliation.exchange.ccxt_gateway import clear_instrument_cache
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.models import AuditEvent, ProfileLease, Run, TradeHistory
from tests.builders import arranging
from tests.cycles.storms.clock import WorldClock
from tests.cycles.storms.truth import check_chain, find_disagreements
from tests.cycles.storms.world import BTC, World

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 60.0
Process = subprocess.Popen[bytes]


class Scene:
    """A world whose fills the portal has missed, served over HTTP to any process."""

    def __init__(self, exchange: PaperExchange, log: Path) -> None:
        self.exchange, self.log = exchange, log
        self.world = World(
            name="main",
            clock=WorldClock(datetime.now(UTC)),
            symbols=(BTC,),
            options={"pace": 0, "instrument_types": ["swap"]},
        )
        exchange.add_account(self.world.paper)
        for trade_id in ("T1", "T2"):
            at = self.world.ago(hours=2)
            ticket = self.world.place(trade_id=trade_id, quantity="0.5", at=at)
            self.world.tell(self.world.news(ticket), at=at)
            self.world.fill(ticket, "0.2", at=self.world.ago(minutes=30))
            self.world.fill(ticket, "0.3", at=self.world.ago(minutes=20))

    def environ(self) -> dict[str, str]:
        paper, settings = self.world.paper, connection.settings_dict
        url = f"sqlite:///{settings['NAME']}"
        if connection.vendor == "postgresql":
            login = ":".join(quote(settings[part], safe="") for part in ("USER", "PASSWORD"))
            host, port = settings["HOST"] or "127.0.0.1", settings["PORT"] or 5432
            url = f"postgres://{login}@{host}:{port}/{settings['NAME']}"
        return {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": url,
            "MAIN_API_KEY": paper.api_key,
            "MAIN_SECRET": paper.secret,
            "MAIN_PASSWORD": paper.passphrase,
            "MAIN_BASE_URL": self.exchange.url("main"),
        }

    @contextmanager
    def process(self, *arguments: str) -> Iterator[Process]:
        """Run Python in a process of its own, which is killed at the end."""
        with (
            self.log.open("wb") as log,
            subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *arguments],
                cwd=ROOT,
                env=dict(os.environ) | self.environ(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            ) as process,
        ):
            try:
                yield process
            finally:
                process.send_signal(signal.SIGKILL)

    def cycle(self) -> RunOutcome:
        """Run a cycle here, by the database's clock, as the next process would."""
        clock = SystemClock()
        gateways = AccountGateways(clock=clock, environ=self.environ())
        try:
            ports = Ports(conf=self.world.conf, clock=clock, gateways=gateways)
            return reconcile_account(account=self.world.account, ports=ports)
        finally:
            gateways.close()

    def assert_made_good_once_its_time_is_up(self) -> None:
        """While the dead run's time lasts nobody takes over; then everything is booked once."""
        dead = Run.objects.get()
        assert dead.status == RunStatus.RUNNING
        assert self.cycle().run_id is None

        past = datetime.now(UTC) - timedelta(seconds=1)
        with arranging():
            Run.objects.update(claim_expires_at=past)
            ProfileLease.objects.exclude(holder="").update(expires_at=past)
        assert self.cycle().status == RunStatus.SUCCEEDED

        dead.refresh_from_db()
        assert (dead.status, dead.error.partition(":")[0]) == (RunStatus.FAILED, "abandoned")
        assert AuditEvent.objects.filter(action="run.taken_over").count() == 1
        assert find_disagreements(self.world.truth) == []
        assert check_chain() == []
        assert TradeHistory.objects.filter(source=HistorySource.RECONCILED).count() == 4
        assert set(ProfileLease.objects.values_list("holder", flat=True)) == {""}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    clear_instrument_cache()
    with PaperExchange([], lambda: datetime.now(UTC)) as exchange:
        yield Scene(exchange, tmp_path / "log")
    clear_instrument_cache()


def test_a_process_killed_while_it_waits_for_an_answer_leaves_everything_to_the_next(
    scene: Scene,
) -> None:
    scene.exchange.faults.add("main", "order", "timeout", "always")
    with scene.process("manage.py", "reconcile", "--account", "main") as process:
        wait_until(lambda: scene.exchange.requests.count("main", "order") > 0, scene, process)
    scene.exchange.faults.clear()

    assert process.returncode == -signal.SIGKILL
    assert not TradeHistory.objects.exists()
    scene.assert_made_good_once_its_time_is_up()


def test_a_process_killed_before_it_commits_has_written_nothing(scene: Scene) -> None:
    step = CycleStep.BEFORE_COMMIT
    with scene.process("-m", "tests.cycles.crashes.process", "main", step) as process:
        assert process.stdout is not None
        said = process.stdout.readline().decode()
    assert said.strip() == step, scene.log.read_text()

    assert process.returncode == -signal.SIGKILL
    assert not TradeHistory.objects.exists()
    assert ProfileLease.objects.exclude(holder="").count() == 1
    scene.assert_made_good_once_its_time_is_up()


def wait_until(holds: Callable[[], bool], scene: Scene, process: Process) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "the process did not come so far"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.01)
            pytest.fail(f"the process ended by itself: {scene.log.read_text()}")
