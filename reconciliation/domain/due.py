"""When a thing that waits for a person is overdue.

Every waiting thing (a review item, a missed exit, an external order, a position of nobody) is
due the same time after it was opened. An hour is several times what evidence may age before it
must be read again (RECON_REVIEW_EVIDENCE_MAX_AGE_MINUTES, 15), and less than a shift: what waits
longer has been passed over rather than not yet been seen.
"""

from datetime import datetime, timedelta

DUE_AFTER = timedelta(minutes=60)
"""How long a waiting thing may wait for a person before it is overdue."""


def due_at(opened_at: datetime) -> datetime:
    """Return the moment until which a thing opened then should be decided."""
    return opened_at + DUE_AFTER


def is_overdue(opened_at: datetime, now: datetime) -> bool:
    """Tell whether a thing opened then has waited past the moment it was due."""
    return now > due_at(opened_at)


def opened_before_is_overdue(now: datetime) -> datetime:
    """Return the moment before which a thing must have been opened to be overdue now.

    A query says ``opened_at < opened_before_is_overdue(now)``, which is ``is_overdue``.
    """
    return now - DUE_AFTER
