"""`manage.py baseline`: accept what an account held before a moment as found."""

import getpass
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.domain.audit import Actor
from reconciliation.enums import ActorType
from reconciliation.handlers.accounts import InvalidBaseline, set_baseline
from reconciliation.models import ExchangeAccount


class Command(BaseCommand):
    help = (
        "Accept an account's orders and fills from before a moment as found, for an account with a"
        " past. They are asked about no more; what happens afterwards is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", required=True, help="the exchange account, by name")
        parser.add_argument("--at", help="ISO 8601 with a time zone; now unless given")
        parser.add_argument("--comment", required=True, help="why, for the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        clock = SystemClock()
        at = clock.now()
        if options["at"]:
            parsed = parse_datetime(options["at"])
            if parsed is None or parsed.tzinfo is None:
                raise CommandError(
                    f"--at: {options['at']!r} is no time with a zone; for example"
                    " 2026-01-05T12:00:00Z",
                    returncode=2,
                )
            at = parsed
        account = ExchangeAccount.objects.filter(name=options["account"]).first()
        if account is None:
            names = ", ".join(ExchangeAccount.objects.values_list("name", flat=True)) or "none"
            raise CommandError(
                f"--account: no account is called {options['account']!r}; there are: {names}",
                returncode=2,
            )
        try:
            set_baseline(
                account_id=account.pk,
                at=at,
                comment=options["comment"],
                actor=Actor(type=ActorType.USER, id="", name=f"{getpass.getuser()} (shell)"),
                clock=clock,
                conf=conf.require(settings.RECON_ENVIRON),
            )
        except InvalidBaseline as error:
            raise CommandError(f"--{error}", returncode=2) from error
        self.stdout.write(
            f"{account.name}: orders and fills from before {at.isoformat()} are accepted as found."
        )
