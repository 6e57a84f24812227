"""The guards in PostgreSQL's words."""

from collections.abc import Iterable, Mapping
from typing import Any

from reconciliation.migrations._guards import ALLOCATION, FILL, Guard


def _refuse(rule: str, says: str) -> str:
    """Return the statement that refuses: it raises what a violated CHECK named `rule` would."""
    return (
        f"RAISE EXCEPTION '%: %', {rule}, {says}"
        f" USING ERRCODE = 'check_violation', CONSTRAINT = {rule}, TABLE = TG_TABLE_NAME;"
    )


_AS_TOLD = _refuse("TG_ARGV[0]", "TG_ARGV[1]")
_OVER_CONSUMED = _refuse(
    "'fill_never_over_consumed'", "'its allocations sum to more than the fill'"
)
_OVER_RELEASED = _refuse("'fill_never_over_released'", "'more is released than was allocated'")

_FUNCTIONS = {
    "reconciliation_guard_refuse": f"BEGIN {_AS_TOLD} END",
    # Tests and drills empty their own databases; nobody else ever empties one.
    "reconciliation_guard_truncate": rf"""
        BEGIN
            IF current_database() LIKE 'test\_%' OR current_database() LIKE 'drill\_%' THEN
                RETURN NULL;
            END IF;
            {_AS_TOLD}
        END""",
    "reconciliation_guard_fill_evidence": f"""
        DECLARE
            kept {FILL}%ROWTYPE := OLD;
        BEGIN
            kept.allocated_quantity := NEW.allocated_quantity;
            kept.set_aside := NEW.set_aside;
            IF kept IS DISTINCT FROM NEW THEN {_AS_TOLD} END IF;
            RETURN NEW;
        END""",
    # The fills are locked (in one order, so that two units cannot lock each other out) before
    # their sums are read: the second of two concurrent inserts waits, and then sees the first.
    "reconciliation_guard_allocation": f"""
        DECLARE
            consumed numeric;
            available numeric;
        BEGIN
            PERFORM 1 FROM {FILL} WHERE id IN (SELECT fill_id FROM added)
                ORDER BY id FOR NO KEY UPDATE;
            FOR consumed, available IN
                SELECT sum(CASE WHEN a.released THEN -a.quantity ELSE a.quantity END), f.quantity
                FROM {FILL} f JOIN {ALLOCATION} a ON a.fill_id = f.id
                WHERE f.id IN (SELECT fill_id FROM added) GROUP BY f.id
            LOOP
                IF consumed > available THEN {_OVER_CONSUMED}
                ELSIF consumed < 0 THEN {_OVER_RELEASED}
                END IF;
            END LOOP;
            RETURN NULL;
        END""",  # noqa: S608
}


def create(guards: Iterable[Guard], append_only: Mapping[str, str]) -> list[str]:
    """Return the statements that create the guards."""
    functions = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard${body}$guard$"
        for name, body in _FUNCTIONS.items()
    ]
    truncate = [
        f'CREATE TRIGGER "guard_{rule}_truncate" BEFORE TRUNCATE ON {table} FOR EACH STATEMENT'
        f" EXECUTE FUNCTION reconciliation_guard_truncate('{rule}', 'the table is not emptied')"
        for table, rule in append_only.items()
    ]
    own = [
        f'CREATE TRIGGER "guard_fill_is_evidence_update" BEFORE UPDATE ON {FILL} FOR EACH ROW'
        " EXECUTE FUNCTION reconciliation_guard_fill_evidence"
        "('fill_is_evidence', 'only allocated_quantity and set_aside change')",
        f'CREATE TRIGGER "guard_fill_never_over_consumed_insert" AFTER INSERT ON {ALLOCATION}'
        " REFERENCING NEW TABLE AS added FOR EACH STATEMENT"
        " EXECUTE FUNCTION reconciliation_guard_allocation()",
    ]
    return [*functions, *(_trigger(guard) for guard in guards), *truncate, *own]


def drop(cursor: Any) -> list[str]:
    """Return the statements that drop the guards there are."""
    cursor.execute(
        r"""SELECT tgname, tgrelid::regclass::text FROM pg_trigger
            JOIN pg_class ON pg_class.oid = tgrelid
            WHERE NOT tgisinternal AND tgname LIKE 'guard\_%'
                  AND relnamespace = current_schema()::regnamespace"""
    )
    triggers = [f'DROP TRIGGER "{name}" ON {table}' for name, table in cursor.fetchall()]
    return [*triggers, *(f"DROP FUNCTION IF EXISTS {name}()" for name in _FUNCTIONS)]


def _trigger(guard: Guard) -> str:
    condition = f" WHEN ({guard.when})" if guard.when else ""
    return (
        f'CREATE TRIGGER "{guard.name}" {guard.event} ON {guard.table} FOR EACH ROW{condition}'
        f" EXECUTE FUNCTION reconciliation_guard_refuse('{guard.rule}', '{guard.says}')"
    )
