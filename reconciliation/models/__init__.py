"""The portal's tables, one module a subject."""

from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.api_keys import ApiKey, ApiKeyProfile, ApiKeyUse
from reconciliation.models.audit import AuditEvent, AuditHead
from reconciliation.models.backfill import BackfillCandidate
from reconciliation.models.fills import Fill, FillAllocation, FillCoverage
from reconciliation.models.jobs import ClusterBeat
from reconciliation.models.leases import ProfileLease
from reconciliation.models.mismatches import Mismatch, MismatchSighting
from reconciliation.models.orders import ExternalOrder, Order, OrderLeg, OrderLookUp
from reconciliation.models.positions import Position
from reconciliation.models.reviews import ReviewItem
from reconciliation.models.runs import Run
from reconciliation.models.trades import Trade, TradeHistory

__all__ = [
    "ApiKey",
    "ApiKeyProfile",
    "ApiKeyUse",
    "AuditEvent",
    "AuditHead",
    "BackfillCandidate",
    "ClusterBeat",
    "ExchangeAccount",
    "ExternalOrder",
    "Fill",
    "FillAllocation",
    "FillCoverage",
    "Mismatch",
    "MismatchSighting",
    "Order",
    "OrderLeg",
    "OrderLookUp",
    "Position",
    "Profile",
    "ProfileLease",
    "ReviewItem",
    "Run",
    "Trade",
    "TradeHistory",
]
