"""The gateways of this process: one an account, made from the environment's credentials."""

import os
from collections.abc import Mapping

from reconciliation.clock import Clock
from reconciliation.exchange.ccxt_gateway import CcxtGateway, demanded_credentials
from reconciliation.exchange.credentials import load_base_url, load_credentials
from reconciliation.exchange.gateway import Gateway
from reconciliation.models import ExchangeAccount


class AccountGateways:
    """Makes the gateway of an account when it is first asked for, and keeps it."""

    def __init__(self, *, clock: Clock, environ: Mapping[str, str] = os.environ) -> None:
        self._clock = clock
        self._environ = environ
        self._made: dict[int, Gateway] = {}

    def of(self, account: ExchangeAccount) -> Gateway:
        """Return the account's gateway; raises PermanentExchangeError naming what is missing."""
        if account.pk not in self._made:
            prefix = account.credential_prefix
            self._made[account.pk] = CcxtGateway(
                exchange_id=account.exchange_id,
                credentials=load_credentials(
                    prefix, self._environ, demanded=demanded_credentials(account.exchange_id)
                ),
                base_url=load_base_url(prefix, self._environ),
                position_mode=account.position_mode,
                options=account.options,
                clock=self._clock.now,
                sleep=self._clock.sleep,
                monotonic=self._clock.monotonic,
            )
        return self._made[account.pk]

    def close(self) -> None:
        """Release every connection."""
        for gateway in self._made.values():
            gateway.close()
        self._made.clear()
