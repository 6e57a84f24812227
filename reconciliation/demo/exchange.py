"""The demo's exchange, with the keys and the port that whoever started the demo chose for it."""

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from reconciliation.demo.accounts import (
    ALL_ACCOUNTS,
    BALANCES,
    CASE_PRICES,
    SOL,
    START_PRICES,
    AccountSpec,
)
from reconciliation.demo.ports import HOST
from reconciliation.exchange.credentials import API_KEY, BASE_URL, PASSWORD, SECRET
from reconciliation.exchange.paper.book import PaperAccount, PaperInstrument
from reconciliation.exchange.paper.server import PaperExchange


def make_exchange_environ(port: int) -> dict[str, str]:
    """Return new keys of every account, and where each is reached, as settings."""
    environ: dict[str, str] = {}
    for spec in ALL_ACCOUNTS:
        environ |= {
            spec.prefix + API_KEY: secrets.token_hex(16),
            spec.prefix + SECRET: secrets.token_hex(32),
            spec.prefix + PASSWORD: secrets.token_hex(16),
            spec.prefix + BASE_URL: f"http://{HOST}:{port}/{spec.name}",
        }
    return environ


def make_exchange(
    environ: Mapping[str, str], port: int, clock: Callable[[], datetime]
) -> PaperExchange:
    """Return the exchange of these settings, not started, its accounts without any order."""
    return PaperExchange([_account(spec, environ) for spec in ALL_ACCOUNTS], clock, port=port)


def _account(spec: AccountSpec, environ: Mapping[str, str]) -> PaperAccount:
    paper = PaperAccount(
        spec.name,
        api_key=environ[spec.prefix + API_KEY],
        secret=environ[spec.prefix + SECRET],
        passphrase=environ[spec.prefix + PASSWORD],
        position_mode="hedge" if spec.position_mode == "hedge" else "net",
    )
    paper.put_instrument(
        PaperInstrument(SOL, Decimal(1), Decimal("0.01"), Decimal("0.01"), START_PRICES[SOL])
    )
    for symbol, price in CASE_PRICES.items():
        paper.put_instrument(
            PaperInstrument(symbol, Decimal(1), Decimal(1), Decimal("0.001"), price)
        )
    for symbol, price in START_PRICES.items():
        paper.set_mark(symbol, price)
    paper.set_balances(BALANCES)
    return paper
