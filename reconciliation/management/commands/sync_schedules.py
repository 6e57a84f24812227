"""`manage.py sync_schedules`: make the queue's schedules what the table of jobs says."""

import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.domain.audit import system_actor
from reconciliation.management.base import PortalCommand, table_lines
from reconciliation.schedules import NotInMinutes, jobs, mind_schedules


class Command(PortalCommand):
    help = (
        "Create and repair the schedules of the portal's jobs, and delete those that are no more;"
        " schedules of others are left alone. run_portal does so whenever it starts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        try:
            table = jobs(conf.require(settings.RECON_ENVIRON))
        except NotInMinutes as error:
            raise CommandError(str(error)) from error
        clock, actor = SystemClock(), system_actor("sync_schedules")
        done = mind_schedules(table, clock=clock, actor=actor, after_start=True)
        if options["json"]:
            self.stdout.write(json.dumps({"schedules": [asdict(each) for each in done]}))
            return
        rows = [("SCHEDULE", "OUTCOME", "CHANGES")]
        rows += [(each.name, each.outcome, "; ".join(each.changes)) for each in done]
        for line in table_lines(rows):
            self.stdout.write(line)
