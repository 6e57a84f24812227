"""The process of the world outside the portal: it says what happens, line by line."""

import os
import shlex
import signal
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from django.conf import settings

from reconciliation.clock import SystemClock
from reconciliation.conf import require
from reconciliation.demo.environment import SHORTENED, keys_from_environ, passwords_from_environ
from reconciliation.demo.exchange import make_exchange
from reconciliation.demo.people import people_text
from reconciliation.demo.ports import HOST
from reconciliation.demo.post import send_to
from reconciliation.demo.report import RunWatch, claims_of_the_dead
from reconciliation.demo.world import World
from reconciliation.supervisor.stopping import Stop, stop_on_signals

WEB_START_SECONDS = 60.0
_ASK_SECONDS = 0.1
_TICK_SECONDS = 1.0
# After an interval and the grace: a bot hears late of what a cycle should find.
_MARGIN_SECONDS = 10
_WORKERS = b"reconciliation.supervisor.workers"


def live(*, port: int, exchange_port: int, seed: int) -> None:
    """Be the world of the portal on a port, until asked to stop."""
    clock, conf = SystemClock(), require(settings.RECON_ENVIRON)
    patience = int((conf.interval + conf.inflight_grace).total_seconds()) + _MARGIN_SECONDS

    def say(text: str) -> None:
        _say(f"{clock.now():%H:%M:%S} {text}")

    with stop_on_signals() as stop:
        exchange = make_exchange(os.environ, exchange_port, clock.now)
        world = World(
            exchange=exchange,
            seed=seed,
            patience=patience,
            send=send_to(port),
            keys=keys_from_environ(os.environ),
            say=say,
            kill_workers=kill_workers,
        )
        runs = RunWatch()
        with exchange:
            if not _web_answers(port, stop):
                return
            _say(_welcome(port, patience))
            for line in claims_of_the_dead():
                say(line)
            next_tick = clock.monotonic()
            while not stop.wait(next_tick - clock.monotonic()):
                world.tick()
                world.weather()
                for line in runs.lines():
                    say(line)
                # What a slow machine or a sleep left out is not made up for.
                next_tick = max(next_tick + _TICK_SECONDS, clock.monotonic())


def kill_workers() -> bool:
    """Kill the workers that the parent of this process has started; return whether any were found.

    They are found where the system lists its processes in /proc; elsewhere none are killed.
    """
    found = False
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue  # it has just ended
        if _WORKERS in command and int(parent) == os.getppid():
            os.kill(int(folder.name), signal.SIGKILL)
            found = True
    return found


def _web_answers(port: int, stop: Stop) -> bool:
    """Wait for the login page; return False when asked to stop meanwhile."""
    url = f"http://{HOST}:{port}/admin/login/"
    for _ in range(int(WEB_START_SECONDS / _ASK_SECONDS)):
        try:
            with urllib.request.urlopen(url, timeout=WEB_START_SECONDS) as answer:
                return bool(answer.status == HTTPStatus.OK) and not stop.requested
        except (urllib.error.URLError, ConnectionError):
            if stop.wait(_ASK_SECONDS):
                return False
    sys.exit(f"The console does not answer at {url}.")


def _welcome(port: int, patience: int) -> str:
    root = f"http://{HOST}:{port}"
    console = f"{root}/admin/"
    shortened = "\n".join(f"  {name}={value}" for name, value in SHORTENED.items())
    return f"""
Open      {console}

{people_text(passwords_from_environ(os.environ))}

The passwords are new at every start and shown only here.

Three bots trade on two accounts of a paper exchange, one of them in hedge mode, and deliver to the
portal's API. They miss messages, people meddle by hand, the exchange fails now and then: so their
rows drift from the exchange. The portal compares both every minute and repairs what the evidence
proves; a bot that missed something finds out by itself only {patience} s later. On two more
accounts, cases and storm, happens once what a person has to decide: within five minutes one case of
each reason waits. From then on a trade of the profile swing vanishes every quarter of an hour: it
is paused, closed synthetically at the third heartbeat, goes on by itself, and gets its real exit
when the exchange lists that at last. To watch:

  Quarantine       {console}reconciliation/reviewitem/
  Missed exits     {console}reconciliation/backfillcandidate/
  Mismatches       {console}reconciliation/mismatch/
  Escalations      {console}reconciliation/escalation/
  Pauses           {console}reconciliation/pause/
  Runs             {console}reconciliation/run/
  External orders  {console}reconciliation/externalorder/
  Trades           {console}reconciliation/trade/
  Audit trail      {console}reconciliation/auditevent/

Shortened, so that a pause ends while you watch; all other settings are the defaults:

{shortened}

In another terminal, from {settings.BASE_DIR}:

  curl -s {root}/internal/health
  curl -s {root}/metrics | grep ^reconciliation_
  {verify_line()}

Ctrl-C stops everything. From here on: one line a run, a drift, a case, an outage, a restart.
"""


def verify_line() -> str:
    """Return the line that checks the audit chain of this process's database."""
    python = Path(sys.executable)
    if python.is_relative_to(settings.BASE_DIR):
        python = python.relative_to(settings.BASE_DIR)
    url = shlex.quote(os.environ["DATABASE_URL"])
    return f"DATABASE_URL={url} {shlex.quote(str(python))} manage.py audit_verify"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  (this process talks to a person)
