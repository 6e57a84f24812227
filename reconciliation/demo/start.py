"""The demo's first process: prepares the database, then keeps web, workers and world running."""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connections

from reconciliation.clock import SystemClock
from reconciliation.conf import require
from reconciliation.demo import setup
from reconciliation.demo.environment import keys_to_environ, passwords_to_environ
from reconciliation.demo.exchange import make_exchange_environ
from reconciliation.demo.ports import HOST, free_port
from reconciliation.supervisor import portal
from reconciliation.supervisor.stopping import stop_on_signals
from reconciliation.supervisor.supervise import Child, supervise
from reconciliation.supervisor.web import Address

_WEB_THREADS = 4


def run(*, port: int, seed: int, lock: int) -> None:
    """Run the demo until it is asked to stop; `lock` is the descriptor of its folder's lock."""
    clock, conf = SystemClock(), require(settings.RECON_ENVIRON)
    with stop_on_signals() as stop:
        try:
            table = setup.prepare_database(conf=conf, clock=clock)
            passwords = setup.make_people()
            keys = setup.rotate_keys(conf=conf, clock=clock)
        except DatabaseError as error:
            sys.exit(f"The demo's database cannot be used: {error}. Start with --fresh.")
        # The threads that look for signs of life make connections of their own.
        connections.close_all()
        exchange_port = free_port(0)
        exchange = make_exchange_environ(exchange_port)
        children = [
            # As under run_portal: the web server sees the same keys as the workers.
            portal.web(
                Address(HOST, port), threads=_WEB_THREADS, environ={**os.environ, **exchange}
            ),
            replace(
                portal.cluster(table=table, environ={**os.environ, **exchange}),
                # What it has to say in its log is on standard error.
                quiet=True,
            ),
            _world(
                [str(number) for number in (port, exchange_port, seed)],
                {
                    **os.environ,
                    **exchange,
                    **keys_to_environ(keys),
                    **passwords_to_environ(passwords),
                },
            ),
        ]
        if not stop.requested:
            # The folder stays locked until the last process that uses it is gone.
            supervise([replace(child, pass_fds=(lock,)) for child in children], stop)
    sys.stdout.write(
        "Stopped. The next start goes on with this database; --fresh begins a new one.\n"
    )


def _world(arguments: list[str], environ: Mapping[str, str]) -> Child:
    return Child(
        name="world",
        module="reconciliation.demo",
        arguments=["world", *arguments],
        environ=environ,
        folder=Path(settings.BASE_DIR),
    )
