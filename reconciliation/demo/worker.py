"""The demo's worker process: the paper exchange, the bots and the reconciliation loop."""

import os
import shlex
import sys
import urllib.error
import urllib.request
from http import HTTPStatus
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from reconciliation.clock import SystemClock
from reconciliation.conf import Conf, require
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.ports import Ports
from reconciliation.demo import world
from reconciliation.demo.loop import Loop, Refusals
from reconciliation.demo.market import Prices
from reconciliation.demo.plans import make_random
from reconciliation.demo.ports import HOST
from reconciliation.demo.report import some
from reconciliation.demo.stopping import Stop, end_with_parent, stop_on_signals
from reconciliation.exchange.paper.server import PaperExchange

WEB_START_SECONDS = 30.0
_ASK_SECONDS = 0.1


def work(*, port: int, interval: int, seed: int) -> None:
    """Prepare the world, say what to open, and go on until somebody asks to stop."""
    clock = SystemClock()
    with stop_on_signals() as stop:
        end_with_parent()
        conf = require(settings.RECON_ENVIRON)
        try:
            world.prepare_database(conf=conf, clock=clock)
        except DatabaseError as error:
            sys.exit(f"The demo's database cannot be used: {error}. Start with --fresh.")
        password = world.make_user()
        with world.make_exchange(clock) as exchange:
            if not _web_answers(port, stop):
                return
            _say(_welcome(port=port, password=password, interval=interval, conf=conf))
            _trade_and_reconcile(exchange, conf, clock, interval, seed, stop)


def _trade_and_reconcile(
    exchange: PaperExchange,
    conf: Conf,
    clock: SystemClock,
    interval: int,
    seed: int,
    stop: Stop,
) -> None:
    refusals = Refusals()
    gateways = AccountGateways(clock=clock, environ=world.exchange_environ(exchange))
    bots = world.make_bots(
        exchange,
        seed=seed,
        # For so long that a cycle comes by while the bot believes what is not true any more.
        patience=interval + int(conf.inflight_grace.total_seconds()) + 3,
        conf=conf,
        clock=clock,
        on_refused=refusals.add,
    )
    loop = Loop(
        ports=Ports(conf=conf, clock=clock, gateways=gateways),
        prices=Prices(exchange.accounts[world.ACCOUNT], make_random(f"{seed}:prices")),
        bots=bots,
        refusals=refusals,
        interval=interval,
        say=_say,
    )
    try:
        loop.run(stop)
    finally:
        gateways.close()
    _say(
        f"Stopped after {some(loop.cycles, 'cycle')} and"
        f" {some(loop.repaired, 'mismatch', 'mismatches')}. The next start goes on with this"
        " database; --fresh begins a new one."
    )


def _web_answers(port: int, stop: Stop) -> bool:
    """Wait for the login page; return False when asked to stop meanwhile, or when it never came.

    A web process that ended is noticed by the one that started both, which stops this one.
    """
    url = f"http://{HOST}:{port}/admin/login/"
    for _ in range(int(WEB_START_SECONDS / _ASK_SECONDS)):
        try:
            with urllib.request.urlopen(url, timeout=WEB_START_SECONDS) as answer:
                return bool(answer.status == HTTPStatus.OK) and not stop.requested
        except (urllib.error.URLError, ConnectionError):
            if stop.wait(_ASK_SECONDS):
                return False
    sys.exit(f"The console does not answer at {url}.")


def _welcome(*, port: int, password: str, interval: int, conf: Conf) -> str:
    url = f"http://{HOST}:{port}/admin/"
    grace = conf.inflight_grace.total_seconds()
    # The first fills come within three seconds, and must be older than the grace.
    first = max(interval, int(grace) + 4)
    return f"""
Open      {url}
User      {world.USER}
Password  {password}        (new at every start, shown only here)

Two bots trade on one account of a paper exchange and miss some of its messages, so their
database drifts from the exchange. Every {interval} s the portal reads the exchange over HTTP,
finds what differs and repairs what the evidence proves; what is younger than {grace:g} s waits
for the next cycle (RECON_INFLIGHT_GRACE_MS). The first drift shows in about {first} s:

  Mismatches     {url}reconciliation/mismatch/
  Trades         {url}reconciliation/trade/
  Orders         {url}reconciliation/order/
  Runs           {url}reconciliation/run/
  Audit trail    {url}reconciliation/auditevent/

Prove in another terminal, from {settings.BASE_DIR}, that nobody changed the audit trail:

  {verify_line()}

(`manage.py reconcile` is not for this database: the exchange's keys live in this process only.)

Ctrl-C stops it. One line a cycle from here on, with the number of its run:
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
