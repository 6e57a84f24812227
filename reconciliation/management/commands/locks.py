"""`manage.py locks`: who holds a profile's lock or an account, since when and until when."""

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from reconciliation.clock import SystemClock
from reconciliation.domain.keys import iso_utc
from reconciliation.management.base import PortalCommand, table_lines
from reconciliation.selectors.locks import load_held_leases, load_run_claims


class Command(PortalCommand):
    help = (
        "List the reconciliation locks of profiles that are held and the runs that hold an"
        " account. Each ends by itself at its time, whatever became of its holder."
    )
    # What keeps others waiting is asked for when something is wrong, the settings perhaps.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        clock = SystemClock()
        leases, claims = load_held_leases(clock=clock), load_run_claims(clock=clock)
        if options["json"]:
            found = {
                "leases": [asdict(each) for each in leases],
                "runs": [asdict(each) for each in claims],
            }
            self.stdout.write(json.dumps(found, default=_moment))
            return
        if not leases and not claims:
            self.stdout.write("No lock is held and no run is under way.")
            return
        rows = [("HELD", "BY", "SINCE (UTC)", "UNTIL (UTC)")]
        rows += [
            (f"profile {each.profile}", each.holder, _short(each.since), _short(each.until))
            for each in leases
        ]
        rows += [
            (
                f"account {each.account}",
                f"{each.kind} run {each.run}" + (f" of {each.profile}" if each.profile else ""),
                _short(each.since),
                _short(each.until) + (", over: the next run takes it" if each.expired else ""),
            )
            for each in claims
        ]
        for line in table_lines(rows):
            self.stdout.write(line)


def _short(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _moment(value: object) -> str:
    if isinstance(value, datetime):
        return iso_utc(value)
    raise TypeError(f"{value!r} has no place in JSON")
