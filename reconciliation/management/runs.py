"""What the commands that run a job now have in common: ports, progress, report, exit status."""

import json
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from reconciliation.clock import SystemClock
from reconciliation.cycles.gateways import AccountGateways
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import UnknownName
from reconciliation.enums import RunStatus
from reconciliation.management.base import PortalCommand, settings_in_force

# A reason that many parts share is told once, with the names of so many of them.
NAMES_SHOWN = 8
_ENDPOINT = re.compile(r"\b(\w+) GET [\w/-]+: ")


class RunsCommand(PortalCommand):
    """A command that runs a job over accounts, tells how it went, and fails where a run did."""

    @abstractmethod
    def run_jobs(self, ports: Ports, **options: Any) -> tuple[RunOutcome, ...]:
        """Run the job; raises `UnknownName` before anything is done."""

    def run(self, **options: Any) -> None:
        clock = SystemClock()
        in_force = settings_in_force()
        gateways = AccountGateways(clock=clock)
        ports = Ports(conf=in_force, clock=clock, gateways=gateways)
        try:
            outcomes = self.run_jobs(ports, **options)
        except UnknownName as error:
            raise CommandError(str(error), returncode=2) from error
        finally:
            gateways.close()
        if options["json"]:
            runs = [asdict(outcome) | self.more_of(outcome) for outcome in outcomes]
            self.stdout.write(json.dumps({"runs": runs}))
        else:
            self._report(outcomes)
        if any(outcome.status == RunStatus.FAILED for outcome in outcomes):
            where = "is its error in the JSON" if options["json"] else "is above"
            raise CommandError(f"a run failed; its reason {where} and with the run", returncode=1)

    def more_of(self, outcome: RunOutcome) -> dict[str, Any]:
        """Return what the JSON of a run has beside its outcome."""
        return {}

    def more_lines(self, outcome: RunOutcome) -> Iterator[str]:
        """Yield what the text has beside the outcome, a line each."""
        yield from ()

    def tell(self, text: str) -> None:
        """Report progress."""
        self.stderr.write(text)

    def _report(self, outcomes: tuple[RunOutcome, ...]) -> None:
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
                *self.more_lines(outcome),
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
