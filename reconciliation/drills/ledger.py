"""The ledger's part of the state that expectations are held against: capital and escalations."""

from reconciliation.drills.world import World
from reconciliation.models import CapitalBalance, Escalation
from reconciliation.selectors.capital import kept_capital

Tree = dict[str, object]


def read_capital(world: World) -> Tree:
    """Return the balance of every profile that has one: there is none before the first run."""
    balances = CapitalBalance.objects.select_related("profile").order_by("pk")
    return {
        balance.profile.name: {
            "allocated": capital.allocated,
            "reserved": capital.reserved,
            "used": capital.used,
            "free": capital.free,
            "unpriced": capital.unpriced,
        }
        for balance in balances
        for capital in [kept_capital(balance)]
    }


def read_escalations(world: World) -> list[Tree]:
    """Return every escalation, oldest first."""
    rows = Escalation.objects.select_related("profile", "account").order_by("pk")
    return [
        {
            "kind": row.kind,
            "status": row.status,
            "profile": row.profile.name if row.profile else None,
            "account": row.account.name if row.account else None,
        }
        for row in rows
    ]
