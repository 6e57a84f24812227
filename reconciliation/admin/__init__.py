"""The console: lists and object pages of every model; importing a module registers its pages."""

from reconciliation.admin import (
    accounts,
    api_keys,
    audit,
    backfill,
    fills,
    jobs,
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
    "api_keys",
    "audit",
    "backfill",
    "fills",
    "jobs",
    "leases",
    "mismatches",
    "orders",
    "positions",
    "reviews",
    "runs",
    "trades",
]
