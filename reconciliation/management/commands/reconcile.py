"""`manage.py reconcile`: one reconciliation cycle now."""

import json
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import UnknownName, reconcile_accounts
from reconciliation.enums import RunStatus


class Command(BaseCommand):
    help = "Run one reconciliation cycle over all enabled accounts, or the one named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="only this exchange account, by name")
        parser.add_argument("--profile", help="only the orders of this profile, by name")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        clock = SystemClock()
        gateways = AccountGateways(clock=clock)
        ports = Ports(conf=conf.require(settings.RECON_ENVIRON), clock=clock, gateways=gateways)
        try:
            outcomes = reconcile_accounts(
                ports=ports,
                account=options["account"],
                profile=options["profile"],
                progress=None if options["json"] else self._progress,
            )
        except UnknownName as error:
            raise CommandError(str(error), returncode=2) from error
        finally:
            gateways.close()
        if options["json"]:
            self.stdout.write(json.dumps({"runs": [asdict(outcome) for outcome in outcomes]}))
        else:
            self._report(outcomes)
        if any(outcome.status == RunStatus.FAILED for outcome in outcomes):
            raise CommandError("a run failed; its reason is above and with the run", returncode=1)

    def _progress(self, text: str) -> None:
        self.stderr.write(text)

    def _report(self, outcomes: tuple[RunOutcome, ...]) -> None:
        if not outcomes:
            self.stdout.write(
                "No enabled exchange account. `manage.py demo` shows the portal with a paper"
                " exchange; docs/operations.md says how to add an account."
            )
        for outcome in outcomes:
            self.stdout.write(
                f"{outcome.account}: {outcome.status}, coverage {outcome.coverage}"
                + (f", run {outcome.run_id}" if outcome.run_id else "")
            )
            counts = ", ".join(f"{name} {count}" for name, count in outcome.counts.items())
            for line in (
                counts,
                outcome.error,
                *(f"not read: {part}: {reason}" for part, reason in outcome.unread.items()),
                *(f"not written: {text}" for text in outcome.row_errors),
            ):
                if line:
                    self.stdout.write(f"  {line}")
