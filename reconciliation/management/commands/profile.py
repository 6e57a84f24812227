"""`manage.py profile`: the strategies that share an account are added and listed."""

import json
from decimal import Decimal
from typing import Any

from django.core.management.base import CommandError, CommandParser

from reconciliation.clock import SystemClock
from reconciliation.domain.amounts import InexactAmount, parse_amount, plain
from reconciliation.handlers.accounts import AlreadyExists, InvalidValue, create_profile
from reconciliation.management.base import (
    PortalCommand,
    find_account,
    settings_in_force,
    shell_actor,
    table_lines,
)
from reconciliation.models import Profile

_ARGUMENTS = {
    "name": "NAME",
    "sub_tag": "--sub-tag",
    "allocated_capital_usd": "--capital-usd",
}


class Command(PortalCommand):
    help = "Add and list the profiles of exchange accounts; each addition is in the audit trail."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        add = actions.add_parser("add", help="add a profile to an account")
        add.add_argument("name", metavar="NAME", help="letters, digits, - and _")
        add.add_argument("--account", required=True, help="the exchange account, by name")
        add.add_argument(
            "--sub-tag",
            required=True,
            metavar="TAG",
            help="by which the exchange's orders are the profile's; no other on the account has it",
        )
        add.add_argument(
            "--capital-usd", required=True, metavar="AMOUNT", help="what the profile may use"
        )
        listing = actions.add_parser("list", help="list the profiles")
        listing.add_argument("--account", help="only of this exchange account")
        listing.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> None:
        if options["action"] == "add":
            self._add(options)
        else:
            self._list(account=options["account"], as_json=options["json"])

    def _add(self, options: dict[str, Any]) -> None:
        name = options["name"]
        capital = _amount(options["capital_usd"])
        account = find_account("--account", options["account"])
        try:
            create_profile(
                name=name,
                account_id=account.pk,
                sub_tag=options["sub_tag"],
                allocated_capital_usd=capital,
                actor=shell_actor(),
                clock=SystemClock(),
                conf=settings_in_force(),
            )
        except AlreadyExists as error:
            raise CommandError(str(error), returncode=2) from error
        except InvalidValue as error:
            raise CommandError(f"{_ARGUMENTS[error.field]}: {error.fault}", returncode=2) from error
        self.stdout.write(
            f"{name} is added to {account.name}. Next: manage.py reconcile --account {account.name}"
        )

    def _list(self, *, account: str | None, as_json: bool) -> None:
        profiles = Profile.objects.select_related("account").order_by("account__name", "name")
        if account is not None:
            profiles = profiles.filter(account=find_account("--account", account))
        if as_json:
            self.stdout.write(json.dumps({"profiles": [_as_json(each) for each in profiles]}))
            return
        rows = [("NAME", "ACCOUNT", "SUB TAG", "CAPITAL USD", "STATE")]
        rows += [
            (
                each.name,
                each.account.name,
                each.sub_tag,
                plain(each.allocated_capital_usd),
                "enabled" if each.enabled else "disabled",
            )
            for each in profiles
        ]
        if len(rows) == 1:
            self.stdout.write("There is no profile yet: manage.py profile add --help")
            return
        for line in table_lines(rows):
            self.stdout.write(line)


def _amount(text: str) -> Decimal:
    try:
        return parse_amount(text)
    except InexactAmount as error:
        raise CommandError(
            f"--capital-usd: {error}; for example --capital-usd 100000", returncode=2
        ) from error


def _as_json(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "account": profile.account.name,
        "sub_tag": profile.sub_tag,
        "allocated_capital_usd": plain(profile.allocated_capital_usd),
        "enabled": profile.enabled,
    }
