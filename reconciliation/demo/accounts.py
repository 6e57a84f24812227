"""Who trades in the demo: accounts of a paper exchange, profiles, and their markets.

Three bots trade on two accounts, which stay healthy. What a person has to decide happens on two
more, where nobody trades but by the table of cases.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from reconciliation.enums import Direction, PositionMode

BTC, ETH, SPOT = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USDT"
# Nobody's market: what is traded in it by hand belongs to no profile.
SOL = "SOL/USDT:USDT"
START_PRICES = {
    BTC: Decimal("60000"),
    ETH: Decimal("3000"),
    SPOT: Decimal("60000"),
    SOL: Decimal("150"),
}
# Base units, each a whole number of half steps: half of an order can be filled.
QUANTITIES = {
    BTC: tuple(Decimal(text) for text in ("0.1", "0.2", "0.3", "0.5")),
    ETH: tuple(Decimal(text) for text in ("1", "2", "4", "5")),
    SPOT: tuple(Decimal(text) for text in ("0.1", "0.2")),
}
# Markets of the cases, one a case: their marks stand still, and a quantity is a whole number.
CASE_PRICES = {
    f"{base}/USDT:USDT": Decimal(price)
    for base, price in (
        ("ADA", "0.5"),
        ("ATOM", "8"),
        ("AVAX", "25"),
        ("BCH", "400"),
        ("BNB", "600"),
        ("DOGE", "0.2"),
        ("DOT", "6"),
        ("LINK", "15"),
        ("LTC", "80"),
        ("XRP", "0.6"),
    )
}
BALANCES = {"USDT": Decimal(400_000)}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    """One account of the paper exchange; `prefix` begins the names of the settings of its keys."""

    name: str
    prefix: str
    position_mode: PositionMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A market in which a bot holds one trade at a time; without a direction the dice choose."""

    symbol: str
    direction: Direction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BotSpec:
    """Who a bot is to exchange and portal, and what it trades."""

    profile: str
    account: str
    sub_tag: str
    allocated_capital_usd: Decimal
    markets: tuple[Market, ...]

    @property
    def key_variable(self) -> str:
        """Return the name of the variable that hands the bot its key for the portal."""
        return f"DEMO_API_KEY_{self.profile.upper()}"


MAIN = AccountSpec(name="main", prefix="PAPER_MAIN", position_mode=PositionMode.NET)
HEDGE = AccountSpec(name="hedge", prefix="PAPER_HEDGE", position_mode=PositionMode.HEDGE)
ACCOUNTS = (MAIN, HEDGE)
CASES = AccountSpec(name="cases", prefix="PAPER_CASES", position_mode=PositionMode.NET)
STORM = AccountSpec(name="storm", prefix="PAPER_STORM", position_mode=PositionMode.NET)
ALL_ACCOUNTS = (*ACCOUNTS, CASES, STORM)
SPECS = (
    BotSpec(
        profile="trend",
        account=MAIN.name,
        sub_tag="trend01",
        allocated_capital_usd=Decimal(250_000),
        markets=(Market(symbol=BTC), Market(symbol=ETH)),
    ),
    BotSpec(
        profile="revert",
        account=MAIN.name,
        sub_tag="revert01",
        allocated_capital_usd=Decimal(150_000),
        markets=(
            Market(symbol=ETH),
            Market(symbol=BTC),
            Market(symbol=SPOT, direction=Direction.LONG),
        ),
    ),
    BotSpec(
        profile="carry",
        account=HEDGE.name,
        sub_tag="carry01",
        allocated_capital_usd=Decimal(200_000),
        markets=tuple(
            Market(symbol=symbol, direction=direction)
            for symbol in (BTC, ETH)
            for direction in (Direction.LONG, Direction.SHORT)
        ),
    ),
)
SPEC_BY_PROFILE: Mapping[str, BotSpec] = {spec.profile: spec for spec in SPECS}
# Whose trades are the cases: no bot attends to them, so that what happens to one stays as it is.
CASE_SPECS = tuple(
    BotSpec(
        profile=profile,
        account=account.name,
        sub_tag=f"{profile}01",
        allocated_capital_usd=Decimal(capital),
        markets=(),
    )
    for profile, account, capital in (
        ("north", CASES, 200_000),
        ("south", CASES, 200_000),
        ("crowd", STORM, 200_000),
        # Half of it is less than what its one trade is worth.
        ("swing", STORM, 10_000),
    )
)
ALL_SPECS = (*SPECS, *CASE_SPECS)
