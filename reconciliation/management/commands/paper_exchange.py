"""`manage.py paper_exchange`: the paper exchange alone, in the foreground, on loopback."""

import errno
import os
import secrets
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from reconciliation.clock import SystemClock
from reconciliation.demo.arguments import whole_number
from reconciliation.demo.ports import other_port
from reconciliation.exchange.credentials import (
    API_KEY,
    BASE_URL,
    PASSWORD,
    SECRET,
    Credentials,
    load_credentials,
)
from reconciliation.exchange.gateway import CredentialsRejected
from reconciliation.exchange.paper.book import PaperAccount, PositionMode
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.supervisor.stopping import stop_on_signals

BALANCES = {"USDT": Decimal(100_000)}
_LOOK_AGAIN_SECONDS = 3600.0


class Command(BaseCommand):
    help = (
        "Serve accounts that speak OKX v5, read-only, until Ctrl-C; print the environment by which"
        " the portal reaches them. Keys that are in the environment already are taken from there."
    )
    # It needs no database, secret or host.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=whole_number(0, 65535), default=8877, help="8877 (0: any that is free)"
        )
        parser.add_argument("--host", default="127.0.0.1", help="127.0.0.1 or localhost")
        parser.add_argument(
            "--account",
            action="append",
            metavar="NAME",
            help="an account to serve; may be given several times (main)",
        )
        parser.add_argument(
            "--position-mode", choices=("net", "hedge"), default="net", help="of every account"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        names = options["account"] or ["main"]
        accounts = make_accounts(names, options["position_mode"], os.environ)
        exchange = start(accounts, host=options["host"], port=options["port"])
        with stop_on_signals() as stop:
            try:
                for line in describe(exchange, os.environ):
                    self.stdout.write(line)
                self.stdout.flush()
                while not stop.wait(_LOOK_AGAIN_SECONDS):
                    pass
            finally:
                exchange.stop()
        self.stdout.write("# stopped")


def make_accounts(
    names: list[str], position_mode: PositionMode, environ: Mapping[str, str]
) -> list[PaperAccount]:
    """Return the accounts, with keys of the environment or new ones.

    Raises CommandError for a name that is no part of a URL, or whose settings are another's too.
    """
    accounts: dict[str, PaperAccount] = {}
    for name in names:
        prefix = prefix_of(name)
        if prefix in accounts:
            raise CommandError(
                f"--account {name}: {accounts[prefix].name!r} has the same settings"
                f" ({prefix}{API_KEY}); choose another name"
            )
        try:
            keys = load_credentials(prefix, environ) if _is_set(prefix, environ) else _new_keys()
            accounts[prefix] = PaperAccount(
                name,
                position_mode,
                api_key=keys.api_key,
                secret=keys.secret,
                passphrase=keys.password,
            )
        except (CredentialsRejected, ValueError) as error:
            raise CommandError(f"--account {name}: {error}") from error
        accounts[prefix].set_balances(BALANCES)
    return list(accounts.values())


def start(accounts: list[PaperAccount], *, host: str, port: int) -> PaperExchange:
    """Return the exchange, listening; raises CommandError, with the way out, where it cannot."""
    try:
        return PaperExchange(accounts, SystemClock().now, port=port, host=host).start()
    except ValueError as error:
        raise CommandError(f"--host {host}: {error}") from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise CommandError(f"cannot listen on {host}, port {port}: {error}") from error
        raise CommandError(
            f"port {port} is in use by another program, perhaps another paper exchange; stop that"
            f" one, or choose another: manage.py paper_exchange --port {other_port(port)}"
        ) from error


def describe(exchange: PaperExchange, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what the portal's environment needs, as lines of an `.env` file, comments included."""
    yield f"# The paper exchange answers on port {exchange.port} until Ctrl-C."
    yield "# Put these lines into .env, then add the accounts to the portal as the comments say."
    for account in exchange.accounts.values():
        prefix = prefix_of(account.name)
        yield (
            f"# python manage.py account add {account.name} --exchange okx --prefix {prefix}"
            f" --position-mode {account.position_mode}"
        )
        if _is_set(prefix, environ):
            yield f"# its keys are the environment's own: {prefix}{API_KEY} and the others"
        else:
            yield f"{prefix}{API_KEY}={account.api_key}"
            yield f"{prefix}{SECRET}={account.secret}"
            yield f"{prefix}{PASSWORD}={account.passphrase}"
        yield f"{prefix}{BASE_URL}={exchange.url(account.name)}"


def prefix_of(name: str) -> str:
    """Return what the settings of an account begin with: `PAPER_MAIN` for main."""
    return "PAPER_" + name.upper().replace("-", "_")


def _is_set(prefix: str, environ: Mapping[str, str]) -> bool:
    return any(
        environ.get(prefix + suffix + ending)
        for suffix in (API_KEY, SECRET, PASSWORD)
        for ending in ("", "_FILE")
    )


def _new_keys() -> Credentials:
    return Credentials(
        api_key=secrets.token_hex(16),
        secret=secrets.token_hex(32),
        password=secrets.token_hex(16),
    )
