"""`manage.py reconcile`: one reconciliation cycle now."""

from typing import Any

from django.core.management.base import CommandParser

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import reconcile_accounts
from reconciliation.management.runs import RunsCommand


class Command(RunsCommand):
    help = "Run one reconciliation cycle over all enabled accounts, or the one named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="only this exchange account, by name")
        parser.add_argument("--profile", help="only the orders of this profile, by name")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run_jobs(self, ports: Ports, **options: Any) -> tuple[RunOutcome, ...]:
        outcomes = reconcile_accounts(
            ports=ports,
            account=options["account"],
            profile=options["profile"],
            progress=None if options["json"] else self.tell,
        )
        if not outcomes and not options["json"]:
            self.stdout.write(
                "No enabled exchange account. `manage.py demo` shows the portal with a paper"
                " exchange; `manage.py account add` adds an account (docs/operations.md)."
            )
        return outcomes
