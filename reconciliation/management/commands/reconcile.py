"""`manage.py reconcile`: one reconciliation cycle now."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import UnknownName, reconcile_accounts
from reconciliation.enums import RunStatus
from reconciliation.management.base import PortalCommand

# A reason that many parts share is told once, with the names of so many of them.
NAMES_SHOWN = 8
_ENDPOINT = re.compile(r"\b(\w+) GET [\w/-]+: ")


class Command(PortalCommand):
    help = "Run one reconciliation cycle over all enabled accounts, or the one named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="only this exchange account, by name")
        parser.add_argument("--profile", help="only the orders of this profile, by name")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
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
            where = "is its error in the JSON" if options["json"] else "is above"
            raise CommandError(f"a run failed; its reason {where} and with the run", returncode=1)

    def _progress(self, text: str) -> None:
        self.stderr.write(text)

    def _report(self, outcomes: tuple[RunOutcome, ...]) -> None:
        if not outcomes:
            self.stdout.write(
                "No enabled exchange account. `manage.py demo` shows the portal with a paper"
                " exchange; `manage.py account add` adds an account (docs/operations.md)."
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
                *not_read(outcome.unread, outcome.error),
                *(f"not written: {text}" for text in outcome.row_errors),
            ):
                if line:
                    self.stdout.write(f"  {line}")


def not_read(unread: Mapping[str, str], error: str = "") -> Iterator[str]:
    """Yield a line for each reason why parts were not read: equal reasons are told once.

    Which endpoint failed does not make a reason another one; one that `error` has told already is
    not repeated.
    """
    parts: dict[str, list[str]] = {}
    for part, reason in unread.items():
        parts.setdefault(_ENDPOINT.sub(r"\1: ", reason), []).append(part)
    told = _ENDPOINT.sub(r"\1: ", error)
    for reason, names in parts.items():
        more = len(names) - NAMES_SHOWN
        listed = ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
        yield f"not read: {listed}" + ("" if reason in told else f": {reason}")
