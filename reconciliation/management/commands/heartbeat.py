"""`manage.py heartbeat`: compare what the accounts hold with the slices, now."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser

from reconciliation.cycles.heartbeat import heartbeat_accounts
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.management.runs import RunsCommand
from reconciliation.selectors.readings import load_readings


class Command(RunsCommand):
    help = "Run one heartbeat over all enabled accounts, or the one named."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="only this exchange account, by name")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run_jobs(self, ports: Ports, **options: Any) -> tuple[RunOutcome, ...]:
        if not ports.conf.parity_enabled:
            self.stderr.write(
                "The heartbeat is off: ENABLE_RECON_POSITION_PARITY_HEARTBEAT=false. Nothing is"
                " compared until it is on again."
            )
        return heartbeat_accounts(
            ports=ports,
            account=options["account"],
            progress=None if options["json"] else self.tell,
        )

    def more_of(self, outcome: RunOutcome) -> dict[str, Any]:
        """Return both sides of each position that does not agree, and what was done about it."""
        return {"positions": [] if outcome.run_id is None else load_readings(outcome.run_id)}

    def more_lines(self, outcome: RunOutcome) -> Iterator[str]:
        """Yield the same in words."""
        for each in self.more_of(outcome)["positions"]:
            told = {name: "unknown" if value is None else value for name, value in each.items()}
            yield (
                "{symbol} {side}: {finding}, seen {streak} times in a row;"
                " slices {slices}, exchange {exchange}, mark {mark}".format(**told)
            )
            yield from (f"  {line}" for line in each["outcome"])
