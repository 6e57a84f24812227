"""What a heartbeat recorded of each position that did not simply agree."""

from reconciliation.domain.amounts import plain
from reconciliation.models import ParityReading


def load_readings(run_id: int) -> list[dict[str, object]]:
    """Return the readings of a run, by symbol: numbers as text, None where one is not known."""
    return [
        {
            "symbol": row.symbol,
            "side": row.side,
            "finding": row.kind,
            "streak": row.streak,
            "slices": None if row.virtual_quantity is None else plain(row.virtual_quantity),
            "exchange": None if row.actual_quantity is None else plain(row.actual_quantity),
            "mark": None if row.mark is None else plain(row.mark),
            "dry_run": row.dry_run,
            "outcome": row.outcome.splitlines(),
        }
        for row in ParityReading.objects.filter(run_id=run_id).order_by("symbol", "side")
    ]
