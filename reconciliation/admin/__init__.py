"""The console: lists and object pages of every model; importing a module registers its pages."""

from reconciliation.admin import (
    accounts,
    audit,
    fills,
    leases,
    mismatches,
    orders,
    positions,
    reviews,
    runs,
    trades,
)

__all__ = [
    "accounts",
    "audit",
    "fills",
    "leases",
    "mismatches",
    "orders",
    "positions",
    "reviews",
    "runs",
    "trades",
]
