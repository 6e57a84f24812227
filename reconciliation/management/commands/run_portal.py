"""`manage.py run_portal`: the web server and the workers, watched and kept running."""

import argparse
import logging
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import connections

from reconciliation import conf, schedules
from reconciliation.clock import SystemClock
from reconciliation.domain.audit import system_actor
from reconciliation.handlers.jobs import drop_old_beats
from reconciliation.management.base import PortalCommand, settings_in_force
from reconciliation.supervisor import portal
from reconciliation.supervisor.stopping import stop_on_signals
from reconciliation.supervisor.supervise import supervise
from reconciliation.supervisor.web import AddressUnusable, parse_address, require_free

logger = logging.getLogger(__name__)


ACTOR = system_actor("run_portal")


class Command(PortalCommand):
    help = (
        "Start the web server and the workers, and keep them running: whatever ends or gives no"
        " sign of life is started again. SIGTERM or Ctrl-C ends everything; a second one at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--bind",
            default="127.0.0.1:8000",
            metavar="HOST:PORT",
            help="where the web server listens (default: 127.0.0.1:8000)",
        )
        parser.add_argument(
            "--threads", type=int, default=8, help="requests served at once (default: 8)"
        )
        parser.add_argument(
            "--beat-limit",
            type=float,
            default=portal.BEAT_LIMIT_SECONDS,
            help=argparse.SUPPRESS,
        )

    def run(self, **options: Any) -> None:
        if not 1 <= options["threads"] <= 100:
            raise CommandError("--threads: a whole number from 1 to 100, for example 8")
        clock = SystemClock()
        try:
            address = parse_address(options["bind"])
            require_free(address)
            portal.require_ready()
            table = schedules.jobs(conf.require(settings.RECON_ENVIRON))
        except AddressUnusable as error:
            raise CommandError(f"--bind: {error}") from error
        except (portal.CannotStart, schedules.NotInMinutes) as error:
            raise CommandError(str(error)) from error
        for each in schedules.mind_schedules(table, clock=clock, actor=ACTOR, after_start=True):
            logger.info("schedule %s: %s", each.name, "; ".join((each.outcome, *each.changes)))
        settings_in_force()
        drop_old_beats(now=clock.now())
        # The threads that look for signs of life make connections of their own.
        connections.close_all()
        children = [
            portal.web(address, threads=options["threads"]),
            portal.cluster(table=table, limit=options["beat_limit"]),
        ]
        logger.info("the portal listens on http://%s", address)
        warn_of_redirects(settings.SECURE_PROXY_SSL_HEADER)
        with stop_on_signals() as stop:
            supervise(children, stop)
        logger.info("everything has ended")


def warn_of_redirects(proxy_header: tuple[str, str] | None) -> None:
    """Say that nothing but https is served, where no proxy tells what is."""
    if settings.SECURE_SSL_REDIRECT and proxy_header is None:
        logger.warning(
            "plain HTTP is redirected to https: behind a proxy that ends TLS set"
            " BEHIND_TLS_PROXY=true, to try the portal without one HTTPS_ONLY=false"
        )
