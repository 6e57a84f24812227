"""What a job needs from outside: settings, time, exchanges; and where a test may end it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.enums import CycleStep
from reconciliation.exchange.gateway import Gateway

if TYPE_CHECKING:
    from reconciliation.models import ExchangeAccount


class Gateways(Protocol):
    """Gives the one gateway of an account in this process."""

    def of(self, account: "ExchangeAccount") -> Gateway:
        """Return the account's gateway; raises PermanentExchangeError when it cannot be made."""


def go_on(step: CycleStep) -> None:
    """Reach a step of a cycle and go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world of a job. `reach` is called at each step; a drill's crash is raised there."""

    conf: Conf
    clock: Clock
    gateways: Gateways
    reach: Callable[[CycleStep], None] = go_on
