"""`manage.py baseline`: accept what an account held before a moment as found."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from reconciliation.clock import SystemClock
from reconciliation.handlers.accounts import InvalidBaseline, moment_text, set_baseline
from reconciliation.handlers.leases import LockHeld
from reconciliation.management.base import (
    PortalCommand,
    find_account,
    settings_in_force,
    shell_actor,
)


class Command(PortalCommand):
    help = (
        "Accept an account's orders and fills from before a moment as found, for an account with a"
        " past. They are asked about no more; what happens afterwards is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, help="the exchange account, by name")
        parser.add_argument("--at", help="ISO 8601 with a time zone; now unless given")
        parser.add_argument("--comment", required=True, help="why, for the audit trail")

    def run(self, **options: Any) -> None:
        clock = SystemClock()
        at = clock.now()
        if options["at"]:
            parsed = _parse(options["at"])
            if parsed is None or parsed.tzinfo is None:
                raise CommandError(
                    f"--at: {options['at']!r} is no time with a zone; for example"
                    " 2026-01-05T12:00:00Z",
                    returncode=2,
                )
            at = parsed
        account = find_account("--account", options["account"])
        try:
            set_baseline(
                account_id=account.pk,
                at=at,
                comment=options["comment"],
                actor=shell_actor(),
                clock=clock,
                conf=settings_in_force(),
            )
        except LockHeld as error:
            raise CommandError(str(error)) from None
        except InvalidBaseline as error:
            raise CommandError(f"--{error}", returncode=2) from error
        self.stdout.write(
            f"{account.name}: orders and fills from before {moment_text(at)} are accepted as found."
        )


def _parse(text: str) -> datetime | None:
    try:
        return parse_datetime(text)
    except ValueError:
        # Of the right form, but no day of the calendar.
        return None
