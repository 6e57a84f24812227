"""A parsed drill: frozen values whose names are resolved and whose words are known.

Rows are already in the shapes that the real code takes: what the trading system writes is
`domain.deliveries`, what the exchange holds is the paper exchange's records. Moments are absolute.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from reconciliation.conf import Conf
from reconciliation.domain.deliveries import Delivery
from reconciliation.drills.words import FaultEndpoint, FaultKind
from reconciliation.enums import CycleStep, DecisionReason, PauseSource, PositionMode, ReviewQueue
from reconciliation.exchange.paper.records import (
    PaperFill,
    PaperInstrument,
    PaperOrder,
    PaperPosition,
)

Leaf = Decimal | int | str | bool | None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that must be among those of the state; none at all where there are no rows here."""

    rows: "tuple[Mapping[str, Expected], ...]"


@dataclass(frozen=True, slots=True)
class Words:
    """Exactly these words, in any order."""

    words: tuple[str, ...]


Expected = Leaf | Rows | Words | Mapping[str, "Expected"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One key of an `expect`, with what must stand below it in the state."""

    key: str
    line: int
    value: Expected


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSpec:
    name: str
    exchange: str
    position_mode: PositionMode


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileSpec:
    name: str
    account: str
    sub_tag: str
    allocated_capital_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderName:
    """An order of the drill's `database` and the ids by which its row is found."""

    key: str
    account: str
    client_order_id: str | None
    exchange_order_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseChange:
    """What the trading system writes at once: one delivery an account."""

    deliveries: tuple[Delivery, ...] = ()
    orders: tuple[OrderName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeChange:
    """What becomes true at one account. None leaves a list as it is; `more_` adds or replaces."""

    account: str
    orders: tuple[PaperOrder, ...] | None = None
    fills: tuple[PaperFill, ...] | None = None
    positions: tuple[PaperPosition, ...] | None = None
    more_orders: tuple[PaperOrder, ...] = ()
    more_fills: tuple[PaperFill, ...] = ()
    more_positions: tuple[PaperPosition, ...] = ()
    balances: Mapping[str, Decimal] | None = None
    marks: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step; `name` is the word of the file, and the key of the table that serves it."""

    name: str
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStep(Step):
    """`reconcile` or `heartbeat`, over all accounts unless narrowed."""

    account: str | None = None
    profile: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AdvanceStep(Step):
    by: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeStep(Step):
    changes: tuple[ExchangeChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStep(Step):
    change: DatabaseChange


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultStep(Step):
    """A fault to arm; `times` None is always."""

    account: str
    endpoint: FaultEndpoint
    kind: FaultKind
    times: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearFaultsStep(Step):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class LockStep(Step):
    """Another worker takes the profile's lease, for so long."""

    profile: str
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockStep(Step):
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashStep(Step):
    after: CycleStep


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartStep(Step):
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrentStep(Step):
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperStep(Step):
    """Columns, or keys of the payload, of an audit event that an attacker sets."""

    sequence: int
    values: Mapping[str, str | int | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectStep(Step):
    expectations: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStep(Step):
    """What every decision of a person has: who, why, in which words."""

    by: str
    reason: DecisionReason | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewStep(DecisionStep):
    """`approve` or `reject` of an item of a queue."""

    queue: ReviewQueue
    trade: str | None
    fill: str | None
    quantity: Decimal | None
    price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBackStep(DecisionStep):
    """`reverse` what was approved, or `reopen` what was rejected."""

    queue: ReviewQueue
    trade: str | None
    fill: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocateStep(DecisionStep):
    """One fill over several slices, by trade id."""

    fill: str
    to: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisposeStep(DecisionStep):
    """`adopt` or `ignore` of what belongs to nobody: exactly one of order, orphan, fill."""

    exchange_order: str | None
    orphan: str | None
    fill: str | None
    account: str | None
    profile: str | None
    trade: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseStep(Step):
    """`pause` or `resume` of a profile by an operator; `reason` is free text."""

    profile: str
    by: str
    reason: str
    source: PauseSource


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshStep(Step):
    queue: ReviewQueue
    trade: str | None
    fill: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill. `expectations` are those checked at the end.

    `trade_codes` are the drill's own names of the trades that its client order ids speak of: the
    portal knows such a trade by its code until the trading system delivers it.
    """

    name: str
    about: str
    file: str
    now: datetime
    conf: Conf
    accounts: Mapping[str, AccountSpec]
    profiles: Mapping[str, ProfileSpec]
    instruments: Mapping[str, PaperInstrument]
    trade_codes: Mapping[str, str]
    database: DatabaseChange
    exchange: tuple[ExchangeChange, ...]
    steps: tuple[Step, ...]
    expectations: tuple[Expectation, ...]
