"""What can be said of an exchange account before anything is asked of the exchange."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from reconciliation.enums import InstrumentType, PositionMode
from reconciliation.exchange.credentials import (
    BASE_URL,
    SeenSetting,
    load_base_url,
    see_credentials,
)
from reconciliation.exchange.gateway import ExchangeError
from reconciliation.exchange.options import LISTING_BY_SYMBOL, parse_options
from reconciliation.exchange.supported import SUPPORTED, Supported
from reconciliation.models import ExchangeAccount

SPOT_ONLY = frozenset({InstrumentType.SPOT})


class UnusableAccount(ValueError):
    """An account that could not be read as it is described: `field` is what is wrong."""

    def __init__(self, field: str, fault: str) -> None:
        self.field = field
        self.fault = fault
        super().__init__(f"{field}: {fault}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenAccount:
    """What this process sees of an account's settings; no value of a key is in here.

    `base_url` is another address than the exchange's own, None where there is none; `fault` is why
    it cannot be used.
    """

    parts: tuple[SeenSetting, ...]
    base_url_setting: str
    base_url: str | None = None
    fault: str = ""

    @property
    def is_whole(self) -> bool:
        """Return whether every part is there and can be used."""
        return not self.fault and all(each.seen_as and not each.fault for each in self.parts)


def supported_exchanges() -> tuple[Supported, ...]:
    """Return the exchanges that can be reconciled completely."""
    return tuple(SUPPORTED.values())


def see_account(account: ExchangeAccount, environ: Mapping[str, str] = os.environ) -> SeenAccount:
    """Return what this process sees of an account's settings; nothing is sent anywhere."""
    return see_prefix(account.exchange_id, account.credential_prefix, environ)


def see_prefix(
    exchange_id: str, prefix: str, environ: Mapping[str, str] = os.environ
) -> SeenAccount:
    """Return what this process sees of the settings that begin with a prefix."""
    known = SUPPORTED.get(exchange_id)
    parts = (
        see_credentials(prefix, environ)
        if known is None
        else see_credentials(prefix, environ, demanded=known.demanded)
    )
    base_url, fault = None, ""
    try:
        base_url = load_base_url(prefix, environ)
    except ExchangeError as error:
        fault = str(error)
    return SeenAccount(
        parts=parts, base_url_setting=prefix + BASE_URL, base_url=base_url, fault=fault
    )


def check_described(*, exchange_id: str, position_mode: str, options: Mapping[str, object]) -> None:
    """Raise `UnusableAccount` for an account of a supported exchange that could not be read."""
    known = SUPPORTED.get(exchange_id)
    if known is None:
        raise UnusableAccount("exchange_id", "choose one of the list")
    try:
        read = parse_options(exchange_id, options)
    except ExchangeError as error:
        field = "symbols" if "symbols" in str(error) else "instrument_type"
        raise UnusableAccount(field, str(error)) from error
    if position_mode == PositionMode.HEDGE and read.instrument_types == SPOT_ONLY:
        fault = f"{known.name} is read for spot, which has no sides to hold; choose net"
        raise UnusableAccount("position_mode", fault)
    if exchange_id in LISTING_BY_SYMBOL and not read.symbols:
        fault = f"{known.name} lists fills by symbol: name every symbol that the account trades"
        raise UnusableAccount("symbols", fault)
