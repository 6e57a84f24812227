"""One profile whose only trade vanishes again and again, and what becomes of that by itself.

Its position is closed unheard, and the exchange lists the fill only minutes later. It is worth more
than half of the profile's capital: so the watchdog pauses the profile at the first heartbeat, the
third closes the trade synthetically, the pause ends by itself, and when the fill is listed at last
it takes the synthetic exit's place.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from reconciliation.demo.desk import Desk, hold
from reconciliation.enums import HOLDING_TRADE_STATUSES
from reconciliation.models import Trade

SYMBOL = "AVAX/USDT:USDT"
QUANTITY = 300
# Of the exit that nobody hears of: not the mark, at which the portal books it meanwhile.
PRICE = Decimal("24.9")
# After the case of many ghosts: they are counted with whatever else would be closed.
FIRST, EVERY = 330, 900
GONE_AFTER = 30
SHOWN_AFTER = timedelta(minutes=7)
SENTENCE = (
    "a position worth most of its profile's capital is closed unheard; the exchange lists the fill"
    f" {SHOWN_AFTER // timedelta(minutes=1)} minutes later"
)


class Swing:
    """The trades of that profile; a second passes with each `tick`."""

    def __init__(
        self,
        *,
        desk: Desk,
        trades_before: int,
        say: Callable[[str], None],
        first: int = FIRST,
    ) -> None:
        self._desk = desk
        self._say = say
        self._number = trades_before
        self._open_in, self._gone_in = first, 0
        # Whatever was open in an earlier life: the new exchange does not know of it.
        hold(desk.exchange, {SYMBOL: Decimal(0)})

    def tick(self) -> None:
        """Let a second pass; open a trade, or let it vanish, when it is time."""
        if self._gone_in > 0:
            self._gone_in -= 1
            if self._gone_in == 0:
                self._vanish()
        self._open_in -= 1
        if self._open_in <= 0 and not is_open(self._desk.spec.profile):
            self._open_in, self._gone_in = EVERY, GONE_AFTER
            self._number += 1
            self._desk.open(self._name, SYMBOL, QUANTITY)

    @property
    def _name(self) -> str:
        return f"{self._desk.spec.profile}-{self._number}"

    def _vanish(self) -> None:
        self._desk.sell(
            SYMBOL,
            QUANTITY,
            tag=self._desk.spec.sub_tag,
            client_id=self._desk.exit_id(self._name),
            price=PRICE,
            shown_after=SHOWN_AFTER,
        )
        self._say(f"case, {self._name}, {SYMBOL}: {SENTENCE}")


def is_open(profile: str) -> bool:
    """Return whether the books still hold a trade of a profile."""
    return Trade.objects.filter(profile__name=profile, status__in=HOLDING_TRADE_STATUSES).exists()
