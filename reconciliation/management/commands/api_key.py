"""`manage.py api_key`: the keys by which bots use the API are created, listed and revoked."""

import json
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser

from reconciliation.clock import SystemClock
from reconciliation.domain.api_keys import key_state
from reconciliation.domain.keys import iso_utc
from reconciliation.handlers.accounts import AlreadyExists, InvalidValue, moment_text
from reconciliation.handlers.api_keys import MAX_LIFETIME, create_key, revoke_key
from reconciliation.management.base import (
    PortalCommand,
    settings_in_force,
    shell_actor,
    table_lines,
)
from reconciliation.models import ApiKey
from reconciliation.selectors.api_keys import keys_with_scope

DEFAULT_DAYS = 365
_ARGUMENTS = {"name": "NAME", "profiles": "--profile", "lifetime": "--expires-in"}


class Command(PortalCommand):
    help = "Create, list and revoke the keys of bots; each change is in the audit trail."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        create = actions.add_parser("create", help="create a key and show it, once")
        create.add_argument("name", metavar="NAME", help="of the bot: letters, digits, - and _")
        create.add_argument(
            "--profile",
            action="append",
            required=True,
            metavar="PROFILE",
            help="that the key is for; may be given several times, all of one account",
        )
        create.add_argument(
            "--expires-in",
            type=int,
            default=DEFAULT_DAYS,
            metavar="DAYS",
            help=f"{DEFAULT_DAYS} unless given, {MAX_LIFETIME.days} at most",
        )
        create.add_argument("--json", action="store_true", help="print one JSON object")
        listing = actions.add_parser("list", help="list the keys, without their secrets")
        listing.add_argument("--json", action="store_true", help="print one JSON object")
        revoke = actions.add_parser("revoke", help="let a key open nothing any more")
        revoke.add_argument("name", metavar="NAME")

    def run(self, **options: Any) -> None:
        match options["action"]:
            case "create":
                self._create(options)
            case "list":
                self._list(as_json=options["json"])
            case _:
                self._revoke(options["name"])

    def _create(self, options: dict[str, Any]) -> None:
        # A longer life would not fit into a duration; it is too long anyway.
        days = min(options["expires_in"], MAX_LIFETIME.days + 1)
        try:
            issued = create_key(
                name=options["name"],
                profiles=options["profile"],
                lifetime=timedelta(days=max(days, 0)),
                **_by(),
            )
        except AlreadyExists as error:
            raise CommandError(f"NAME: {error}", returncode=2) from error
        except InvalidValue as error:
            raise CommandError(f"{_ARGUMENTS[error.field]}: {error.fault}", returncode=2) from error
        key = issued.key
        if options["json"]:
            answer = {
                "name": key.name,
                "key": issued.text,
                "public_id": key.public_id,
                "account": key.account.name,
                "profiles": list(issued.profiles),
                "expires_at": iso_utc(key.expires_at),
            }
            self.stdout.write(json.dumps(answer))
            return
        self.stdout.write(
            f"{key.name} is created, for {', '.join(issued.profiles)} on account"
            f" {key.account.name}, until {moment_text(key.expires_at)}."
        )
        self.stdout.write("Its key, which is shown this once and kept nowhere:")
        self.stdout.write(issued.text)

    def _list(self, *, as_json: bool) -> None:
        keys, now = list(keys_with_scope().order_by("name")), SystemClock().now()
        if as_json:
            self.stdout.write(json.dumps({"api_keys": [_as_json(key, now) for key in keys]}))
            return
        if not keys:
            self.stdout.write("There is no key yet: manage.py api_key create --help")
            return
        rows = [("NAME", "ID", "ACCOUNT", "PROFILES", "STATE", "EXPIRES", "LAST USED")]
        rows += [
            (
                key.name,
                key.public_id,
                key.account.name,
                ", ".join(profile.name for profile in key.profiles.all()),
                _state(key, now),
                moment_text(key.expires_at),
                moment_text(key.use.last_used_at) if key.use.last_used_at else "never",
            )
            for key in keys
        ]
        for line in table_lines(rows):
            self.stdout.write(line)

    def _revoke(self, name: str) -> None:
        try:
            key, changed = revoke_key(name=name, **_by())
        except ApiKey.DoesNotExist:
            names = ", ".join(ApiKey.objects.values_list("name", flat=True)) or "none"
            raise CommandError(
                f"NAME: no key is called {name!r}; there are: {names}", returncode=2
            ) from None
        if changed:
            self.stdout.write(f"{key.name} is revoked; it opens nothing from now on.")
        elif key.revoked_at is not None:
            when = moment_text(key.revoked_at)
            self.stdout.write(f"{key.name} is revoked already, since {when} by {key.revoked_by}.")


def _by() -> dict[str, Any]:
    return {
        "actor": shell_actor(),
        "clock": SystemClock(),
        "conf": settings_in_force(),
    }


def _state(key: ApiKey, now: datetime) -> str:
    return key_state(expires_at=key.expires_at, revoked_at=key.revoked_at, now=now)


def _as_json(key: ApiKey, now: datetime) -> dict[str, object]:
    return {
        "name": key.name,
        "public_id": key.public_id,
        "account": key.account.name,
        "profiles": [profile.name for profile in key.profiles.all()],
        "state": str(_state(key, now)),
        "created_at": iso_utc(key.created_at),
        "created_by": key.created_by,
        "expires_at": iso_utc(key.expires_at),
        "revoked_at": None if key.revoked_at is None else iso_utc(key.revoked_at),
        "revoked_by": key.revoked_by,
        "last_used_at": None if key.use.last_used_at is None else iso_utc(key.use.last_used_at),
    }
