"""Every closed set of words the portal uses, with the groups that rules are written in.

The words are the contract of the design (drills, API, metrics and the database use the same
ones), so a value is never translated on its way from a column to a page.
"""

from django.db.models import TextChoices


class PositionMode(TextChoices):
    NET = "net"
    HEDGE = "hedge"


class Side(TextChoices):
    BUY = "buy"
    SELL = "sell"


class Direction(TextChoices):
    LONG = "long"
    SHORT = "short"


class PositionSide(TextChoices):
    """The side of an exchange position row; NET where the account nets its positions."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class Purpose(TextChoices):
    ENTRY = "ENTRY"
    EXIT = "EXIT"


class InstrumentType(TextChoices):
    SPOT = "spot"
    SWAP = "swap"


class OrderType(TextChoices):
    LIMIT = "limit"
    MARKET = "market"


class OrderClass(TextChoices):
    """How an exchange lists an order; each class is read, and covered, on its own."""

    REGULAR = "regular"
    CONDITIONAL = "conditional"
    OCO = "oco"
    TRAILING = "trailing"


class OrderStatus(TextChoices):
    PENDING = "PENDING"
    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


ACTIVE_ORDER_STATUSES = frozenset(
    {OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED}
)
TERMINAL_ORDER_STATUSES = frozenset(OrderStatus) - ACTIVE_ORDER_STATUSES
# Ended without being filled to its full quantity: what reconcile_cancel writes.
ENDED_UNFILLED_ORDER_STATUSES = frozenset(
    {OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}
)


class Origin(TextChoices):
    """Who told the portal of an order, or a trade, first."""

    BOT = "BOT"
    EXCHANGE = "EXCHANGE"


class LegKind(TextChoices):
    """REPLACEMENT: another id under the same client order id. CHILD: triggered by an algo order."""

    REPLACEMENT = "REPLACEMENT"
    CHILD = "CHILD"


class ExternalStatus(TextChoices):
    """What a person decided of an order that belongs to nobody."""

    PENDING = "PENDING"
    ADOPTED = "ADOPTED"
    IGNORED = "IGNORED"


class TradeStatus(TextChoices):
    PENDING = "PENDING"
    OPEN = "OPEN"
    QUARANTINED = "QUARANTINED"
    CLOSED = "CLOSED"
    CANCELED = "CANCELED"


# Trades that may hold a quantity: what the virtual side of a parity check sums.
HOLDING_TRADE_STATUSES = frozenset({TradeStatus.OPEN, TradeStatus.QUARANTINED})
# Trades that the next cycle may have to act on.
LIVE_TRADE_STATUSES = HOLDING_TRADE_STATUSES | {TradeStatus.PENDING}


class HistoryKind(TextChoices):
    ENTRY = "ENTRY"
    EXIT = "EXIT"
    REVERSAL = "REVERSAL"


class HistorySource(TextChoices):
    BOT = "BOT"
    RECONCILED = "RECONCILED"
    BACKFILL = "BACKFILL"
    OPERATOR = "OPERATOR"
    SYNTHETIC = "SYNTHETIC"
    DUST = "DUST"


class FillKind(TextChoices):
    """What caused an execution. Funding moves money, never a position: it is no fill."""

    TRADE = "trade"
    LIQUIDATION = "liquidation"
    ADL = "adl"
    DELIVERY = "delivery"


class RunKind(TextChoices):
    RECONCILE = "RECONCILE"
    HEARTBEAT = "HEARTBEAT"


class RunStatus(TextChoices):
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    SKIPPED_LOCKED = "SKIPPED_LOCKED"


class CycleStep(TextChoices):
    """Where a run can be killed, in order; each step's name says what has just been done."""

    SNAPSHOT = "snapshot"
    LOOKUPS = "lookups"
    LOCK = "lock"
    FIRST_WRITE = "first_write"
    BEFORE_COMMIT = "before_commit"


class Coverage(TextChoices):
    """How much of what a job needs was read: everything, some of it, nothing."""

    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"
    NONE = "NONE"


class CoverageStatus(TextChoices):
    """PROVEN: every fill of the interval was read. UNOBTAINABLE: the exchange keeps it no more."""

    PROVEN = "PROVEN"
    UNOBTAINABLE = "UNOBTAINABLE"


class MismatchKind(TextChoices):
    MISSING_FROM_EXCHANGE = "MISSING_FROM_EXCHANGE"
    MISSING_IN_DB = "MISSING_IN_DB"
    STATUS_MISMATCH = "STATUS_MISMATCH"
    QUANTITY_MISMATCH = "QUANTITY_MISMATCH"
    UNATTRIBUTED_FILL = "UNATTRIBUTED_FILL"
    GHOST_POSITION = "GHOST_POSITION"
    POSITION_MISMATCH = "POSITION_MISMATCH"
    AMBIGUOUS_OWNERS = "AMBIGUOUS_OWNERS"
    ORPHAN_POSITION = "ORPHAN_POSITION"


# What a comparison of positions finds, in which trades are concerned.
PARITY_MISMATCH_KINDS = frozenset(
    {
        MismatchKind.GHOST_POSITION,
        MismatchKind.POSITION_MISMATCH,
        MismatchKind.AMBIGUOUS_OWNERS,
        MismatchKind.ORPHAN_POSITION,
    }
)


class MismatchStatus(TextChoices):
    OPEN = "OPEN"
    RESOLVED = "RESOLVED"
    ACCEPTED = "ACCEPTED"


class ReviewQueue(TextChoices):
    QUARANTINE = "quarantine"
    BACKFILL = "backfill"


class ReviewStatus(TextChoices):
    PENDING = "PENDING"
    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    SUPERSEDED = "SUPERSEDED"


# Items that wait for a person.
WAITING_REVIEW_STATUSES = frozenset({ReviewStatus.PENDING, ReviewStatus.PROPOSED})


class QuarantineReason(TextChoices):
    """Why a slice waits for a person."""

    UNATTRIBUTED = "UNATTRIBUTED"
    AMBIGUOUS_OWNERS = "AMBIGUOUS_OWNERS"
    POSITION_MISMATCH = "POSITION_MISMATCH"
    OVERCLOSE = "OVERCLOSE"
    UNRESOLVED_FILLS = "UNRESOLVED_FILLS"
    EVIDENCE_INCOMPLETE = "EVIDENCE_INCOMPLETE"
    NO_MARK = "NO_MARK"
    MASS_MISMATCH = "MASS_MISMATCH"
    OPERATOR = "OPERATOR"


class AttributionMode(TextChoices):
    """The evidence by which a fill or an order belongs to a profile, strongest first.

    SINGLE_OPEN_TRADE and QTY_UNIQUE are heuristics of the backfill: suggestions, no evidence.
    """

    CLIENT_ORDER_ID = "CLIENT_ORDER_ID"
    TRADE_ID = "TRADE_ID"
    SUB_TAG = "SUB_TAG"
    SINGLE_OPEN_TRADE = "SINGLE_OPEN_TRADE"
    QTY_UNIQUE = "QTY_UNIQUE"
    NONE = "NONE"


class BackfillVerdict(TextChoices):
    GO = "GO"
    NO_GO = "NO_GO"


class NoGoReason(TextChoices):
    """Why a fill is not booked to a slice without a person."""

    FOREIGN_SUB_TAG = "FOREIGN_SUB_TAG"
    STALE_FILL = "STALE_FILL"
    WEAK_ATTRIBUTION = "WEAK_ATTRIBUTION"
    HEURISTIC_DISABLED = "HEURISTIC_DISABLED"
    AMBIGUOUS_SLICE = "AMBIGUOUS_SLICE"
    QTY_EXCEEDS_OPEN = "QTY_EXCEEDS_OPEN"
    EVIDENCE_INCOMPLETE = "EVIDENCE_INCOMPLETE"
    NO_MATCH = "NO_MATCH"


class CandidateStatus(TextChoices):
    """The states of a review item, and APPLIED: a GO at first sight, which nobody was asked."""

    PENDING = "PENDING"
    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    SUPERSEDED = "SUPERSEDED"
    APPLIED = "APPLIED"


# Candidates that wait for a person; every cycle judges them anew.
WAITING_CANDIDATE_STATUSES = frozenset({CandidateStatus.PENDING, CandidateStatus.PROPOSED})
# Candidates that are decided: no cycle asks about them again.
DECIDED_CANDIDATE_STATUSES = frozenset(
    {CandidateStatus.APPROVED, CandidateStatus.REJECTED, CandidateStatus.APPLIED}
)


class ActorType(TextChoices):
    USER = "user"
    BOT = "bot"
    SYSTEM = "system"


class AuditOutcome(TextChoices):
    APPLIED = "applied"
    REFUSED = "refused"
    DENIED = "denied"
    FAILED = "failed"


class HealthStatus(TextChoices):
    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class DeliveryOutcome(TextChoices):
    """The answer to one delivered row."""

    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    MERGED = "merged"
    REFUSED = "refused"
