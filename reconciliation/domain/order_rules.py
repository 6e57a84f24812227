"""The decision table of order reconciliation: every case there is, and what is done about it.

docs/decision-table.md shows the same rows in the same order; a test holds the two together, and
one test a row holds the code to them.
"""

from dataclasses import dataclass
from enum import Enum

from reconciliation.enums import MismatchKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: the two sides, the decision in words, and why."""

    database: str
    exchange: str
    mismatch: MismatchKind | None
    decision: str
    why: str


class OrderRule(Enum):
    """The rows: first for orders that the database knows, then for what it does not."""

    OPEN_NOTHING_NEW = Row(
        database="active",
        exchange="open, no new fills, same terms",
        mismatch=None,
        decision="none",
        why="Both sides say the same.",
    )
    OPEN_UNBOOKED_FILLS = Row(
        database="active",
        exchange="open, unbooked fills",
        mismatch=MismatchKind.QUANTITY_MISMATCH,
        decision="the fills are booked by the entry or exit fill handler",
        why="Fill ids nobody booked are what is new; the filled counter is not asked.",
    )
    OPEN_OTHER_TERMS = Row(
        database="active",
        exchange="open, other price, quantity or status",
        mismatch=MismatchKind.STATUS_MISMATCH,
        decision="the mirror takes the exchange's terms",
        why="An amended order is still the same order.",
    )
    FRESH = Row(
        database="active, younger than the grace, or with activity in it",
        exchange="any",
        mismatch=None,
        decision="wait for the next cycle",
        why="Messages still under way look like drift.",
    )
    CLASS_NOT_READ = Row(
        database="active, of a class that was not read",
        exchange="unknown",
        mismatch=None,
        decision="unknown: nothing",
        why="A list that was not read shows nothing, least of all absence.",
    )
    ABSENT_FILLED = Row(
        database="active",
        exchange="not open; look-up says filled, the fills add up",
        mismatch=MismatchKind.MISSING_FROM_EXCHANGE,
        decision="reconcile_entry_fill or reconcile_exit_fill with those fills",
        why="The order ended by being filled, and its fills prove by how much.",
    )
    ABSENT_FILLS_MISSING = Row(
        database="active",
        exchange="not open; look-up says ended, visible fills sum to less than it says",
        mismatch=MismatchKind.MISSING_FROM_EXCHANGE,
        decision="the visible fills are booked; the order stays active until they add up",
        why="An end written now would leave the late fills without an order to book to.",
    )
    ABSENT_ENDED = Row(
        database="active",
        exchange="not open; look-up says canceled, expired or rejected",
        mismatch=MismatchKind.MISSING_FROM_EXCHANGE,
        decision="first its fills, then reconcile_cancel for the rest",
        why="A cancel does not undo what was filled before it.",
    )
    ABSENT_STILL_OPEN = Row(
        database="active",
        exchange="not in the open list; look-up says open",
        mismatch=None,
        decision="none",
        why="The two readings raced; the order lives.",
    )
    ABSENT_NOT_FOUND = Row(
        database="active",
        exchange="not open; look-up says there is no such order",
        mismatch=MismatchKind.MISSING_FROM_EXCHANGE,
        decision=(
            "counted, found resets the count; after enough such cycles, with every fill since its"
            " creation read: its fills, then reconcile_cancel (UNKNOWN_TO_EXCHANGE); else it stays"
        ),
        why="Not found is not the same as never existed, until it was said often enough.",
    )
    LOOK_UP_FAILED = Row(
        database="active",
        exchange="not open; the look-up failed, or did not get its turn",
        mismatch=None,
        decision="unknown: nothing",
        why="Nobody has said what became of the order.",
    )
    TERMINAL_UNBOOKED_FILLS = Row(
        database="terminal, fills not all booked",
        exchange="not open",
        mismatch=MismatchKind.QUANTITY_MISMATCH,
        decision="the fills are booked by the entry or exit fill handler",
        why="Fills decide, whatever the status word says.",
    )
    TERMINAL_NOTHING_NEW = Row(
        database="terminal, fills all booked",
        exchange="not open",
        mismatch=None,
        decision="none",
        why="Both sides say the same.",
    )
    TERMINAL_OPEN = Row(
        database="terminal",
        exchange="open",
        mismatch=MismatchKind.STATUS_MISMATCH,
        decision="reopened by the mirror, audited; its unbooked fills are booked",
        why="An order that can still be filled must be watched.",
    )

    UNKNOWN_OPEN_ATTRIBUTABLE = Row(
        database="none",
        exchange="open, attributable",
        mismatch=MismatchKind.MISSING_IN_DB,
        decision="adopted into its profile, with its trade where client id or hint names one",
        why="The bot placed it and could not say so.",
    )
    UNKNOWN_CLOSED_ENTRY = Row(
        database="none",
        exchange="closed with fills; the client id is a known profile's, of purpose ENTRY",
        mismatch=MismatchKind.MISSING_IN_DB,
        decision="adopted, its fills booked",
        why="The client id proves whose position these fills opened; a tag alone does not.",
    )
    UNKNOWN_OPEN_NOBODYS = Row(
        database="none",
        exchange="open, not attributable",
        mismatch=MismatchKind.MISSING_IN_DB,
        decision="external order: a person adopts or ignores it",
        why="What belongs to no profile is shown, never absorbed.",
    )
    UNEXPLAINED_FILL = Row(
        database="none",
        exchange="fills that no slice explains and none could be closed by",
        mismatch=MismatchKind.UNATTRIBUTED_FILL,
        decision="shown beside external orders",
        why="It moved the account's position, and no book knows of it.",
    )

    @property
    def row(self) -> Row:
        """Return the row itself."""
        return self.value
