"""How an exchange fails during one cycle: what it refuses to answer, and what it leaves out."""

from dataclasses import dataclass

from hypothesis import strategies as st

from reconciliation.exchange.gateway import AccountHalted, ExchangeError, RetryableExchangeError

ENDPOINTS = ("instruments", "open_orders", "order", "order_fills", "fills", "positions", "margin")
LISTS = ("open_orders", "positions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """`broken` endpoints fail, and so do the questions of these `numbers`, counted from 0.

    From the question `halted_from` on nothing is answered, as after an HTTP 429. `empty` names the
    lists that are answered and hold nothing: a list proves nothing of what is not on it.
    """

    broken: frozenset[str] = frozenset()
    numbers: frozenset[int] = frozenset()
    halted_from: int | None = None
    empty: frozenset[str] = frozenset()

    def error(self, number: int, endpoint: str) -> ExchangeError | None:
        """Return how this question of the cycle fails, None where it is answered."""
        if self.halted_from is not None and number >= self.halted_from:
            return AccountHalted(f"{endpoint}: HTTP 429")
        if endpoint in self.broken or number in self.numbers:
            return RetryableExchangeError(f"{endpoint}: HTTP 500")
        return None


FAIR = Weather()
WEATHERS = st.one_of(
    st.just(FAIR),
    st.just(Weather(broken=frozenset({"fills", "order_fills"}))),
    st.builds(Weather, broken=st.frozensets(st.sampled_from(ENDPOINTS), min_size=1, max_size=3)),
    st.builds(Weather, numbers=st.frozensets(st.integers(0, 19), min_size=1, max_size=4)),
    st.builds(Weather, halted_from=st.integers(0, 14)),
    st.builds(Weather, empty=st.frozensets(st.sampled_from(LISTS), min_size=1)),
)
