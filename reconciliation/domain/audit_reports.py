"""What a check of the audit chain came to: as a person reads it, and as a script does."""

from reconciliation.domain.audit import ChainReport


def as_line(report: ChainReport) -> str:
    """Return the report in a sentence."""
    if report.intact:
        events = "1 event" if report.count == 1 else f"{report.count} events"
        return f"intact: {events}, head {report.head}"
    return f"broken at sequence {report.broken_at}: {report.detail}"


def as_data(report: ChainReport) -> dict[str, object]:
    """Return the report for JSON; `events` counts the ones that are proven."""
    return {
        "intact": report.intact,
        "events": report.count,
        "head": report.head,
        "broken_at": report.broken_at,
        "fault": report.fault,
        "detail": report.detail,
    }
