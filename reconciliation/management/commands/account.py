"""`manage.py account`: exchange accounts are added, listed, enabled and disabled."""

import json
import os
from typing import Any

from django.core.management.base import CommandError, CommandParser

from reconciliation.clock import SystemClock
from reconciliation.domain.keys import iso_utc
from reconciliation.enums import InstrumentType, PositionMode
from reconciliation.exchange.ccxt_gateway import demanded_credentials
from reconciliation.exchange.credentials import load_base_url, load_credentials
from reconciliation.exchange.gateway import ExchangeError
from reconciliation.exchange.options import LISTING_BY_SYMBOL, parse_options
from reconciliation.handlers.accounts import (
    AlreadyExists,
    InvalidValue,
    create_account,
    moment_text,
    set_account_enabled,
)
from reconciliation.management.base import (
    PortalCommand,
    find_account,
    settings_in_force,
    shell_actor,
    table_lines,
)
from reconciliation.models import ExchangeAccount

SPOT_ONLY = frozenset({InstrumentType.SPOT})
_ARGUMENTS = {
    "name": "NAME",
    "exchange_id": "--exchange",
    "credential_prefix": "--prefix",
    "position_mode": "--position-mode",
}


class Command(PortalCommand):
    help = "Add, list, enable and disable exchange accounts; each change is in the audit trail."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        add = actions.add_parser("add", help="add an account")
        add.add_argument("name", metavar="NAME", help="letters, digits, - and _")
        add.add_argument("--exchange", required=True, metavar="ID", help="ccxt's id, such as okx")
        add.add_argument(
            "--prefix",
            required=True,
            metavar="PREFIX",
            help="the environment holds PREFIX_API_KEY, PREFIX_SECRET and, where the exchange "
            "demands one, PREFIX_PASSWORD",
        )
        add.add_argument(
            "--position-mode",
            required=True,
            choices=PositionMode.values,
            help="as it is set at the exchange",
        )
        add.add_argument(
            "--option",
            action="append",
            default=[],
            metavar="NAME=JSON",
            help="of the client, such as instrument_types='[\"swap\"]'; may be given several times",
        )
        listing = actions.add_parser("list", help="list the accounts")
        listing.add_argument("--json", action="store_true", help="print one JSON object")
        for action, words in (
            ("enable", "reconcile it again"),
            ("disable", "reconcile it no more"),
        ):
            change = actions.add_parser(action, help=words)
            change.add_argument("name", metavar="NAME")
            change.add_argument("--comment", default="", help="why, for the audit trail")

    def run(self, **options: Any) -> None:
        match options["action"]:
            case "add":
                self._add(options)
            case "list":
                self._list(as_json=options["json"])
            case action:
                self._set_enabled(options, enabled=action == "enable")

    def _add(self, options: dict[str, Any]) -> None:
        name, exchange, prefix = options["name"], options["exchange"], options["prefix"]
        client_options = dict(_option(text) for text in options["option"])
        try:
            demanded = demanded_credentials(exchange)
        except ExchangeError as error:
            raise CommandError(f"--exchange: {error}", returncode=2) from error
        try:
            read = parse_options(exchange, client_options)
        except ExchangeError as error:
            raise CommandError(f"--option: {error}", returncode=2) from error
        if options["position_mode"] == PositionMode.HEDGE and read.instrument_types == SPOT_ONLY:
            raise CommandError(
                f"--position-mode: hedge, but {exchange} is read for spot, which has no sides to "
                "hold; say net",
                returncode=2,
            )
        try:
            create_account(
                name=name,
                exchange_id=exchange,
                credential_prefix=prefix,
                position_mode=PositionMode(options["position_mode"]),
                options=client_options,
                **_by(),
            )
        except AlreadyExists as error:
            raise CommandError(f"NAME: {error}", returncode=2) from error
        except InvalidValue as error:
            raise CommandError(f"{_ARGUMENTS[error.field]}: {error.fault}", returncode=2) from error
        self.stdout.write(f"{name} is added. Next: manage.py profile add NAME --account {name} …")
        if exchange in LISTING_BY_SYMBOL and not read.symbols:
            self.stdout.write(
                f"The fills of {exchange} stay unknown: they are listed by symbol. Add the account "
                "with --option symbols='[\"BTC/USDT\"]', naming all that it trades."
            )
        try:
            load_credentials(prefix, os.environ, demanded=demanded)
            load_base_url(prefix, os.environ)
        except ExchangeError as error:
            self.stdout.write(f"It cannot be read yet: {error}.")

    def _list(self, *, as_json: bool) -> None:
        accounts = list(ExchangeAccount.objects.order_by("name"))
        if as_json:
            self.stdout.write(json.dumps({"accounts": [_as_json(each) for each in accounts]}))
            return
        if not accounts:
            self.stdout.write("There is no account yet: manage.py account add --help")
            return
        rows = [("NAME", "EXCHANGE", "PREFIX", "MODE", "STATE", "BASELINE", "OPTIONS")]
        rows += [
            (
                each.name,
                each.exchange_id,
                each.credential_prefix,
                each.position_mode,
                "enabled" if each.enabled else "disabled",
                moment_text(each.baseline_at) if each.baseline_at else "none",
                json.dumps(each.options) if each.options else "",
            )
            for each in accounts
        ]
        for line in table_lines(rows):
            self.stdout.write(line)

    def _set_enabled(self, options: dict[str, Any], *, enabled: bool) -> None:
        account = find_account("NAME", options["name"])
        changed = set_account_enabled(
            account_id=account.pk, enabled=enabled, comment=options["comment"], **_by()
        )
        word = "enabled" if enabled else "disabled"
        self.stdout.write(f"{account.name} is {word}{'' if changed else ' already'}.")


def _by() -> dict[str, Any]:
    return {
        "actor": shell_actor(),
        "clock": SystemClock(),
        "conf": settings_in_force(),
    }


def _option(text: str) -> tuple[str, object]:
    name, separator, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        if separator and value and value[0] not in '[{"':
            return name, value
    raise CommandError(
        f"--option: {text!r} is not NAME=JSON; for example --option pace=2", returncode=2
    )


def _as_json(account: ExchangeAccount) -> dict[str, object]:
    return {
        "name": account.name,
        "exchange": account.exchange_id,
        "credential_prefix": account.credential_prefix,
        "position_mode": account.position_mode,
        "enabled": account.enabled,
        "baseline_at": None if account.baseline_at is None else iso_utc(account.baseline_at),
        "options": account.options,
    }
