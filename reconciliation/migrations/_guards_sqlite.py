"""The guards in SQLite's words.

Exact decimals are texts of fixed width there, whose order is the order of the numbers; sums of
them are taken in integers, never in floats.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from reconciliation.migrations._guards import ALLOCATION, FILL, FILL_EVIDENCE, Guard

# A quantity in four limbs of 10, 10, 9 and 9 digits (start and length in its text): their sums
# stay integers of 64 bits up to some 900,000,000 rows. An allocation is positive by a constraint.
_LIMBS = ((2, 10), (12, 10), (23, 9), (32, 9))


def create(guards: Iterable[Guard], append_only: Mapping[str, str]) -> list[str]:
    """Return the statements that create the guards; SQLite has no TRUNCATE to refuse."""
    return [_trigger(guard) for guard in [*guards, *_own_guards()]]


def drop(cursor: Any) -> list[str]:
    """Return the statements that drop the guards there are."""
    cursor.execute(
        r"SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard\_%' ESCAPE '\'"
    )
    return [f'DROP TRIGGER "{name}"' for (name,) in cursor.fetchall()]


def _trigger(guard: Guard) -> str:
    condition = f" WHEN {guard.when}" if guard.when else ""
    return (
        f'CREATE TRIGGER "{guard.name}" {guard.event} ON {guard.table} FOR EACH ROW{condition}'
        f" BEGIN SELECT RAISE(ABORT, '{guard.rule}: {guard.says}'); END"
    )


def _own_guards() -> list[Guard]:
    return [
        Guard(
            rule="fill_is_evidence",
            table=FILL,
            event="BEFORE UPDATE",
            says="only allocated_quantity and set_aside change",
            when=" OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in FILL_EVIDENCE),
        ),
        Guard(
            rule="fill_never_over_consumed",
            table=ALLOCATION,
            event="AFTER INSERT",
            says="its allocations sum to more than the fill",
            when=f"({_is_negative(_limbs(left_of_fill=True))})",
        ),
        Guard(
            rule="fill_never_over_released",
            table=ALLOCATION,
            event="AFTER INSERT",
            says="more is released than was allocated",
            when=f"NEW.released AND ({_is_negative(_limbs(left_of_fill=False))})",
        ),
    ]


def _limbs(*, left_of_fill: bool) -> str:
    """Return a query of limbs n3…n0: of Σ allocations, or of what that sum leaves of the fill."""
    columns = []
    for at, (start, length) in enumerate(_LIMBS):
        limb = f"CAST(substr({{}}.quantity, {start}, {length}) AS INTEGER)"
        total = f"SUM((CASE a.released WHEN 0 THEN 1 ELSE -1 END) * {limb.format('a')})"
        if left_of_fill:
            total = f"{limb.format('f')} - {total}"
        columns.append(f"{total} AS n{3 - at}")
    return (
        f"SELECT {', '.join(columns)} FROM {FILL} f JOIN {ALLOCATION} a ON a.fill_id = f.id"  # noqa: S608
        " WHERE f.id = NEW.fill_id GROUP BY f.id"
    )


def _is_negative(limbs: str) -> str:
    """Return a query that says whether the number of these limbs is negative.

    Each limb in turn gives its excess, or its debt, to the one above; what it keeps lies between 0
    and its base. So the sign of the whole is that of the top limb.
    """
    return (
        f"SELECT n3 + {_floor('n2', 10**10)} < 0 FROM ("  # noqa: S608
        f"SELECT n3, n2 + {_floor('n1', 10**9)} AS n2 FROM ("
        f"SELECT n3, n2, n1 + {_floor('n0', 10**9)} AS n1 FROM ({limbs})))"
    )


def _floor(number: str, base: int) -> str:
    """Return SQL for ⌊number / base⌋; SQLite's own division rounds towards zero."""
    return f"(({number} - ({number} < 0) * {base - 1}) / {base})"
