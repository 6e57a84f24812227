"""The portal's tables, one module a subject."""

from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.audit import AuditEvent, AuditHead
from reconciliation.models.fills import Fill, FillAllocation, FillCoverage
from reconciliation.models.leases import ProfileLease
from reconciliation.models.mismatches import Mismatch, MismatchSighting
from reconciliation.models.orders import Order
from reconciliation.models.positions import Position
from reconciliation.models.runs import Run
from reconciliation.models.trades import Trade, TradeHistory

__all__ = [
    "AuditEvent",
    "AuditHead",
    "ExchangeAccount",
    "Fill",
    "FillAllocation",
    "FillCoverage",
    "Mismatch",
    "MismatchSighting",
    "Order",
    "Position",
    "Profile",
    "ProfileLease",
    "Run",
    "Trade",
    "TradeHistory",
]
