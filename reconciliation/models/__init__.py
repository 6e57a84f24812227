"""The portal's tables, one module a subject."""

from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.api_keys import ApiKey, ApiKeyProfile, ApiKeyUse
from reconciliation.models.audit import AuditEvent, AuditHead
from reconciliation.models.backfill import BackfillCandidate
from reconciliation.models.capital import CapitalBalance, CapitalEntry
from reconciliation.models.decisions import Decision
from reconciliation.models.edits import OutsideEdit
from reconciliation.models.errands import Errand
from reconciliation.models.escalations import Escalation, EscalationSighting
from reconciliation.models.fills import Fill, FillAllocation, FillCoverage
from reconciliation.models.jobs import ClusterBeat
from reconciliation.models.leases import ProfileLease
from reconciliation.models.mismatches import Mismatch, MismatchSighting
from reconciliation.models.orders import ExternalOrder, Order, OrderLeg, OrderLookUp
from reconciliation.models.parity import AcceptedPosition, MarkPrice, ParityReading, ParityWatch
from reconciliation.models.pauses import Pause, WatchdogState
from reconciliation.models.positions import Position
from reconciliation.models.reviews import ReviewItem
from reconciliation.models.runs import Run
from reconciliation.models.trades import Trade, TradeHistory

__all__ = [
    "AcceptedPosition",
    "ApiKey",
    "ApiKeyProfile",
    "ApiKeyUse",
    "AuditEvent",
    "AuditHead",
    "BackfillCandidate",
    "CapitalBalance",
    "CapitalEntry",
    "ClusterBeat",
    "Decision",
    "Errand",
    "Escalation",
    "EscalationSighting",
    "ExchangeAccount",
    "ExternalOrder",
    "Fill",
    "FillAllocation",
    "FillCoverage",
    "MarkPrice",
    "Mismatch",
    "MismatchSighting",
    "Order",
    "OrderLeg",
    "OrderLookUp",
    "OutsideEdit",
    "ParityReading",
    "ParityWatch",
    "Pause",
    "Position",
    "Profile",
    "ProfileLease",
    "ReviewItem",
    "Run",
    "Trade",
    "TradeHistory",
    "WatchdogState",
]
