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


class Nobodys(TextChoices):
    """What can belong to nobody, and is adopted or ignored by a person."""

    EXTERNAL_ORDER = "external_order"
    FILL = "fill"
    ORPHAN = "orphan"


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


# Sources of exits that are booked without a fill: its real fill may still appear.
SYNTHETIC_SOURCES = frozenset({HistorySource.SYNTHETIC, HistorySource.OPERATOR})


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


class ErrandKind(TextChoices):
    """What a person can ask the workers to do."""

    RECONCILE = "RECONCILE"
    HEARTBEAT = "HEARTBEAT"
    CHECK_ACCOUNT = "CHECK_ACCOUNT"
    VERIFY_AUDIT = "VERIFY_AUDIT"


class ErrandStatus(TextChoices):
    ASKED = "ASKED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class CheckState(TextChoices):
    """How one part of an account's test went. What is not asked is not there at that exchange."""

    PASSED = "PASSED"
    WARNING = "WARNING"
    FAILED = "FAILED"
    NOT_ASKED = "NOT_ASKED"


ENDED_ERRAND_STATUSES = frozenset({ErrandStatus.DONE, ErrandStatus.FAILED})
OPEN_ERRAND_STATUSES = frozenset(ErrandStatus) - ENDED_ERRAND_STATUSES


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


CURRENT_MISMATCH_STATUSES = frozenset(MismatchStatus) - {MismatchStatus.RESOLVED}


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


class DecisionKind(TextChoices):
    """What a person did to a question. APPROVED carries it out, PROPOSED waits for a second one."""

    PROPOSED = "PROPOSED"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    REOPENED = "REOPENED"
    REVERSED = "REVERSED"
    ADOPTED = "ADOPTED"
    IGNORED = "IGNORED"
    ALLOCATED = "ALLOCATED"


class DecisionReason(TextChoices):
    """Why a person decided so; OTHER needs a comment."""

    CONFIRMED_FLAT = "CONFIRMED_FLAT"
    EXITED_MANUALLY = "EXITED_MANUALLY"
    LIQUIDATED = "LIQUIDATED"
    NOT_OURS = "NOT_OURS"
    STILL_OPEN = "STILL_OPEN"
    DUPLICATE = "DUPLICATE"
    OTHER = "OTHER"


class DecisionRefusal(TextChoices):
    """Why a decision was not carried out; nothing was written but the event that says so.

    DENIED is a matter of who asked, every other one of what was asked or when.
    """

    DENIED = "DENIED"
    SAME_PERSON = "SAME_PERSON"
    UNKNOWN_ITEM = "UNKNOWN_ITEM"
    DECIDED_ALREADY = "DECIDED_ALREADY"
    CONFLICT = "CONFLICT"
    STALE_EVIDENCE = "STALE_EVIDENCE"
    LOCKED = "LOCKED"
    REASON_NEEDED = "REASON_NEEDED"
    COMMENT_NEEDED = "COMMENT_NEEDED"
    TRADE_NEEDED = "TRADE_NEEDED"
    PROFILE_NEEDED = "PROFILE_NEEDED"
    PRICE_NEEDED = "PRICE_NEEDED"
    QUANTITY_OUT_OF_RANGE = "QUANTITY_OUT_OF_RANGE"
    OVER_ALLOCATED = "OVER_ALLOCATED"
    WRONG_SLICE = "WRONG_SLICE"
    FOREIGN = "FOREIGN"
    NOT_REVERSIBLE = "NOT_REVERSIBLE"
    FAILED = "FAILED"


class Right(TextChoices):
    """What a person may do beyond looking: permissions of the model Decision, by code name."""

    PROPOSE = "propose_decision", "Can propose a decision"
    APPROVE = "approve_decision", "Can approve a decision"
    REJECT = "reject_decision", "Can reject, reopen and dispose of what is nobody's"
    REVERSE = "reverse_decision", "Can reverse a decision"
    REFRESH = "refresh_evidence", "Can read evidence anew and run the jobs"
    PAUSE = "pause_profile", "Can pause and resume a profile's trading"
    SET_UP = "set_up_accounts", "Can add accounts, profiles, keys and baselines"
    EXPORT = "export_audit", "Can export and verify the audit trail"


class Role(TextChoices):
    """The groups of people, made by every migrate."""

    VIEWER = "Viewer"
    OPERATOR = "Operator"
    APPROVER = "Approver"
    COMPLIANCE = "Compliance"


# Every role may look at everything; these are what it may do. An approver alone may refuse as
# well as agree; who proposes needs no right to approve.
RIGHTS_OF_ROLES = {
    Role.VIEWER: frozenset[Right](),
    Role.OPERATOR: frozenset({Right.PROPOSE, Right.REJECT, Right.REFRESH, Right.PAUSE}),
    Role.APPROVER: frozenset(
        {Right.APPROVE, Right.REJECT, Right.REVERSE, Right.REFRESH, Right.PAUSE}
    ),
    Role.COMPLIANCE: frozenset({Right.EXPORT}),
}


class SetUpRefusal(TextChoices):
    """Why a person's word about the set-up was not carried out; only the event was written."""

    DENIED = "DENIED"
    ONESELF = "ONESELF"
    SUPERUSER_ONLY = "SUPERUSER_ONLY"
    LAST_SUPERUSER = "LAST_SUPERUSER"
    REASON_NEEDED = "REASON_NEEDED"
    CONFLICT = "CONFLICT"


class PauseSource(TextChoices):
    """Who stopped a profile's trading. Both can hold at once, and each ends by itself."""

    PARITY_WATCHDOG = "PARITY_WATCHDOG"
    OPERATOR = "OPERATOR"


class GateReason(TextChoices):
    """Why a bot may not trade as it likes."""

    RECONCILING = "RECONCILING"
    PAUSED_WATCHDOG = "PAUSED_WATCHDOG"
    PAUSED_OPERATOR = "PAUSED_OPERATOR"
    MISMATCH = "MISMATCH"
    QUARANTINED = "QUARANTINED"
    STALE = "STALE"


class EscalationKind(TextChoices):
    PERSISTENT_MISMATCH = "PERSISTENT_MISMATCH"
    LOCK_CONTENTION = "LOCK_CONTENTION"
    UNKNOWN_FILLS = "UNKNOWN_FILLS"
    STALE_FILLS = "STALE_FILLS"
    LOOP_STALLED = "LOOP_STALLED"
    WATCHDOG_TRIGGERED = "WATCHDOG_TRIGGERED"
    MASS_MISMATCH = "MASS_MISMATCH"
    AUDIT_CHAIN_BROKEN = "AUDIT_CHAIN_BROKEN"
    # Beside the design's: what a person did that the runbook forbids.
    SCHEDULE_DISABLED = "SCHEDULE_DISABLED"
    EDITED_OUTSIDE = "EDITED_OUTSIDE"


class EscalationStatus(TextChoices):
    OPEN = "OPEN"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"


UNRESOLVED_ESCALATION_STATUSES = frozenset(EscalationStatus) - {EscalationStatus.RESOLVED}


class CapitalCause(TextChoices):
    """What moved a profile's capital."""

    ALLOCATION = "ALLOCATION"
    ORDERS = "ORDERS"
    HISTORY = "HISTORY"
    ORDERS_AND_HISTORY = "ORDERS_AND_HISTORY"


class ParityKind(TextChoices):
    """What a comparison of a position came to: clean, unknown, left alone, or a finding."""

    CLEAN = "CLEAN"
    UNKNOWN = "UNKNOWN"
    FRESH = "FRESH"
    GHOST_POSITION = "GHOST_POSITION"
    POSITION_MISMATCH = "POSITION_MISMATCH"
    AMBIGUOUS_OWNERS = "AMBIGUOUS_OWNERS"
    ORPHAN_POSITION = "ORPHAN_POSITION"


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


class TimelineSource(TextChoices):
    """Where a moment in the life of a trade is recorded, in the order of one and the same moment.

    What the exchange did stands before what was concluded from it, and that before the record.
    """

    ORDER_PLACED = "order_placed", "order"
    FILL = "fill", "fill"
    ORDER_ENDED = "order_ended", "order"
    READING = "reading", "heartbeat"
    MISMATCH_SEEN = "mismatch_seen", "mismatch"
    CANDIDATE_JUDGED = "candidate_judged", "backfill"
    REVIEW_OPENED = "review_opened", "review"
    DECISION = "decision", "decision"
    HISTORY = "history", "history"
    REVIEW_CLOSED = "review_closed", "review"
    CANDIDATE_CLOSED = "candidate_closed", "backfill"
    MISMATCH_RESOLVED = "mismatch_resolved", "mismatch"
    AUDIT = "audit", "audit trail"
