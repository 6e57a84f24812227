"""`paper_exchange` serves accounts, says how to reach them, and is gone when asked."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from reconciliation.enums import OrderClass, PositionMode
from reconciliation.exchange.ccxt_gateway import CcxtGateway, clear_instrument_cache
from reconciliation.exchange.credentials import load_base_url, load_credentials
from reconciliation.management.commands.paper_exchange import describe, make_accounts, start

KEYS = {
    "PAPER_MAIN_API_KEY": "own-key",
    "PAPER_MAIN_SECRET": "own-secret",
    "PAPER_MAIN_PASSWORD": "own-password",
}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def settings_of(lines: list[str]) -> dict[str, str]:
    """Return what the printed lines set, as an `.env` file would."""
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def gateway_of(environ: dict[str, str], prefix: str, mode: PositionMode) -> CcxtGateway:
    return CcxtGateway(
        exchange_id="okx",
        credentials=load_credentials(prefix, environ),
        base_url=load_base_url(prefix, environ),
        position_mode=mode,
        options={"pace": 0},
        clock=lambda: datetime.now(UTC),
        sleep=lambda seconds: None,
    )


def test_what_it_prints_is_all_that_the_portal_needs() -> None:
    options = ["--port", "0", "--account", "main", "--account", "second-one"]
    command = subprocess.Popen(  # noqa: S603  (our own command)
        [sys.executable, "manage.py", "paper_exchange", *options, "--position-mode", "hedge"],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "ENV_FILE": os.devnull},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert command.stdout is not None
        lines: list[str] = []
        while len(settings_of(lines)) < 8:
            line = command.stdout.readline()
            assert line, "it ended before it had said everything"
            lines.append(line.strip())
        environ = settings_of(lines)
        for prefix in ("PAPER_MAIN", "PAPER_SECOND_ONE"):
            gateway = gateway_of(environ, prefix, PositionMode.HEDGE)
            assert gateway.fetch_open_orders(OrderClass.REGULAR).orders == ()
            assert gateway.fetch_position_mode() is PositionMode.HEDGE
            assert gateway.fetch_balances()["USDT"] > 0
            gateway.close()
    finally:
        clear_instrument_cache()
        command.send_signal(signal.SIGTERM)
        rest, _ = command.communicate(timeout=10)

    assert command.returncode == 0
    assert "# stopped" in rest


def test_keys_of_the_environment_are_taken_and_not_shown() -> None:
    exchange = start(make_accounts(["main"], "net", KEYS), host="127.0.0.1", port=0)
    text = "\n".join(describe(exchange, KEYS))
    exchange.stop()

    assert exchange.accounts["main"].api_key == "own-key"
    assert "account add main --exchange okx --prefix PAPER_MAIN --position-mode net" in text
    assert f"PAPER_MAIN_BASE_URL={exchange.url('main')}" in text
    assert not any(value in text for value in KEYS.values())


def test_new_keys_are_others_each_time() -> None:
    (first,), (second,) = (make_accounts(["main"], "net", {}) for _ in range(2))

    assert first.api_key != second.api_key
    assert first.secret != second.secret
    assert first.passphrase != second.passphrase


def test_keys_that_are_only_half_there_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="PAPER_MAIN_SECRET is not set"):
        make_accounts(["main"], "net", {"PAPER_MAIN_API_KEY": "own-key"})
    with pytest.raises(CommandError, match="PAPER_MAIN_SECRET_FILE"):
        make_accounts(["main"], "net", KEYS | {"PAPER_MAIN_SECRET_FILE": str(tmp_path / "none")})


@pytest.mark.parametrize(
    ("names", "error"),
    [
        (["a-b", "a_b"], "'a-b' has the same settings"),
        (["main", "main"], "'main' has the same settings"),
        (["a b"], "it is a part of a URL"),
        ([""], "it is a part of a URL"),
    ],
)
def test_a_name_that_cannot_be_served_is_refused(names: list[str], error: str) -> None:
    with pytest.raises(CommandError, match=error):
        make_accounts(names, "net", {})


def test_a_port_in_use_is_said_with_the_way_out(listener: socket.socket) -> None:
    port = listener.getsockname()[1]

    with pytest.raises(CommandError, match=rf"port {port} is in use .*--port {port + 1}"):
        call_command("paper_exchange", port=port)


@pytest.mark.parametrize("host", ["192.0.2.1", "example.org", "::"])
def test_it_listens_on_loopback_only(host: str) -> None:
    with pytest.raises(CommandError, match="loopback only"):
        call_command("paper_exchange", host=host, port=0)
