"""Rules that CHECK constraints cannot say, as triggers: what is never changed, deleted, exceeded.

Each refusal begins with its name (`fill_never_over_consumed: …`) and arrives as IntegrityError.

A migration that lets SQLite remake a guarded table (it drops the old one, and its triggers with
it) begins with `RunPython(remove, …)` and ends with `RunPython(install, …)`.
"""

from collections.abc import Iterable, Mapping

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

Pairs = Iterable[tuple[str, str]]

AUDIT = "reconciliation_auditevent"
HISTORY = "reconciliation_tradehistory"
ALLOCATION = "reconciliation_fillallocation"
FILL = "reconciliation_fill"
ORDER = "reconciliation_order"
TRADE = "reconciliation_trade"

# Tables whose rows are only ever added, each with the name of the refusal.
APPEND_ONLY = {
    AUDIT: "audit_event_is_final",
    HISTORY: "trade_history_is_final",
    ALLOCATION: "fill_allocation_is_final",
}
# Rows of these change by rule but stay: on SQLite a REPLACE is a DELETE and an INSERT, and would
# walk past every rule for UPDATE.
KEPT = {FILL: "fill_is_evidence", ORDER: "order_is_kept", TRADE: "trade_is_kept"}

# table, column, name: the column's value only grows.
MONOTONE = (
    (ORDER, "filled_quantity", "order_filled_never_decreases"),
    (TRADE, "entry_quantity", "trade_entry_never_decreases"),
)

FILL_EVIDENCE = (
    "id",
    "account_id",
    "symbol",
    "side",
    "exchange_fill_id",
    "instrument_type",
    "kind",
    "position_side",
    "exchange_order_id",
    "client_order_id",
    "sub_tag",
    "trade_hint",
    "quantity",
    "price",
    "fee",
    "fee_currency",
    "executed_at",
    "raw",
    "run_id",
    "recorded_at",
)


def install(
    schema_editor: BaseDatabaseSchemaEditor, *, order_transitions: Pairs, trade_transitions: Pairs
) -> None:
    """Create every guard."""
    transitions = {
        (ORDER, "order_status_transition"): order_transitions,
        (TRADE, "trade_status_transition"): trade_transitions,
    }
    make = {"sqlite": _sqlite, "postgresql": _postgresql}[schema_editor.connection.vendor]
    for statement in make(transitions):
        schema_editor.execute(statement, params=None)


def remove(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop every guard."""
    connection = schema_editor.connection
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'guard\\_%'"
                " ESCAPE '\\'"
            )
            statements = [f'DROP TRIGGER "{name}"' for (name,) in cursor.fetchall()]
        else:
            cursor.execute(
                "SELECT tgname, tgrelid::regclass::text FROM pg_trigger"
                " WHERE NOT tgisinternal AND tgname LIKE 'guard\\_%'"
                " AND tgrelid IN (SELECT oid FROM pg_class"
                "                 WHERE relnamespace = current_schema()::regnamespace)"
            )
            statements = [f'DROP TRIGGER "{name}" ON {table}' for name, table in cursor.fetchall()]
            statements += [f"DROP FUNCTION IF EXISTS {name}()" for name in _POSTGRESQL_FUNCTIONS]
    for statement in statements:
        schema_editor.execute(statement, params=None)


def _transition_test(pairs: Pairs) -> str:
    """Return the condition under which a change of status is not in the table of legal ones."""
    legal = ", ".join(f"'{old}>{new}'" for old, new in sorted(pairs))
    return f"OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN ({legal})"


# --- SQLite: exact decimals are texts of fixed width whose order is the order of numbers ---

# A quantity (never negative in an allocation) in four limbs of 10, 10, 9 and 9 digits: their sums
# stay integers of 64 bits for the sum of some 900,000,000 rows, and no float is ever involved.
_LIMBS = ((2, 10), (12, 10), (23, 9), (32, 9))


def _limb(column: str, at: int) -> str:
    start, length = _LIMBS[at]
    return f"CAST(substr({column}, {start}, {length}) AS INTEGER)"


def _floor(number: str, base: int) -> str:
    """Return SQL for ⌊number / base⌋; SQLite's own division rounds towards zero."""
    return f"(({number} - ({number} < 0) * {base - 1}) / {base})"


def _sign_limb(limbs: str) -> str:
    """Return SQL for the top limb of `limbs` (a query of n3…n0) after carrying: its sign decides.

    Carrying leaves every lower limb between 0 and its base, so the number is negative exactly when
    the top limb is.
    """
    return (
        f"SELECT n3 + {_floor('n2', 10**10)} FROM ("  # noqa: S608
        f"SELECT n3, n2 + {_floor('n1', 10**9)} AS n2 FROM ("
        f"SELECT n3, n2, n1 + {_floor('n0', 10**9)} AS n1 FROM ({limbs})))"
    )


def _consumed_limbs(*, from_fill: bool) -> str:
    """Return SQL for the limbs of Σ allocations, or of the fill's quantity less that sum."""
    signed = "(CASE a.released WHEN 0 THEN 1 ELSE -1 END)"
    sums = [f"COALESCE(SUM({signed} * {_limb('a.quantity', at)}), 0)" for at in range(4)]
    if from_fill:
        sums = [f"{_limb('f.quantity', at)} - {total}" for at, total in enumerate(sums)]
    columns = ", ".join(f"{total} AS n{3 - at}" for at, total in enumerate(sums))
    return (
        f"SELECT {columns} FROM {FILL} f JOIN {ALLOCATION} a ON a.fill_id = f.id"  # noqa: S608
        " WHERE f.id = NEW.fill_id GROUP BY f.id"
    )


def _sqlite(transitions: Mapping[tuple[str, str], Pairs]) -> list[str]:
    def trigger(name: str, event: str, table: str, when: str, message: str) -> str:
        condition = f" WHEN {when}" if when else ""
        return (
            f'CREATE TRIGGER "guard_{name}" {event} ON {table} FOR EACH ROW{condition}'
            f" BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )

    statements = []
    for table, name in APPEND_ONLY.items():
        statements += [
            trigger(f"{name}_update", "BEFORE UPDATE", table, "", f"{name}: no row is changed"),
            trigger(f"{name}_delete", "BEFORE DELETE", table, "", f"{name}: no row is deleted"),
        ]
    for table, name in KEPT.items():
        statements.append(
            trigger(f"{name}_delete", "BEFORE DELETE", table, "", f"{name}: no row is deleted")
        )
    for table, column, name in MONOTONE:
        when = f"NEW.{column} < OLD.{column}"
        statements.append(
            trigger(name, f"BEFORE UPDATE OF {column}", table, when, f"{name}: {column} only grows")
        )
    for (table, name), pairs in transitions.items():
        message = f"{name}: this change of status is not legal"
        when = _transition_test(pairs)
        statements.append(trigger(name, "BEFORE UPDATE OF status", table, when, message))
    changed = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in FILL_EVIDENCE)
    statements.append(
        trigger(
            "fill_is_evidence_update",
            "BEFORE UPDATE",
            FILL,
            changed,
            "fill_is_evidence: only allocated_quantity changes",
        )
    )
    statements += [
        trigger(
            "fill_never_over_consumed",
            "AFTER INSERT",
            ALLOCATION,
            f"({_sign_limb(_consumed_limbs(from_fill=True))}) < 0",
            "fill_never_over_consumed: its allocations sum to more than the fill",
        ),
        trigger(
            "fill_never_over_released",
            "AFTER INSERT",
            ALLOCATION,
            f"NEW.released AND ({_sign_limb(_consumed_limbs(from_fill=False))}) < 0",
            "fill_never_over_released: more is released than was allocated",
        ),
    ]
    return statements


# --- PostgreSQL ---

_POSTGRESQL_FUNCTIONS = {
    # The trigger's first argument is the name of the refusal, its second the sentence.
    "reconciliation_guard_refuse": """
        BEGIN
            RAISE EXCEPTION '%: %', TG_ARGV[0], TG_ARGV[1]
                USING ERRCODE = 'check_violation', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;
        END""",
    # Tests empty their tables between two of them; nobody else ever does.
    "reconciliation_guard_truncate": """
        BEGIN
            IF current_database() LIKE 'test\\_%' OR current_database() LIKE 'drill\\_%' THEN
                RETURN NULL;
            END IF;
            RAISE EXCEPTION '%: %', TG_ARGV[0], TG_ARGV[1]
                USING ERRCODE = 'check_violation', CONSTRAINT = TG_ARGV[0], TABLE = TG_TABLE_NAME;
        END""",
    "reconciliation_guard_fill_evidence": f"""
        DECLARE
            kept {FILL}%ROWTYPE := OLD;
        BEGIN
            kept.allocated_quantity := NEW.allocated_quantity;
            IF kept IS DISTINCT FROM NEW THEN
                RAISE EXCEPTION 'fill_is_evidence: only allocated_quantity changes'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'fill_is_evidence',
                          TABLE = TG_TABLE_NAME;
            END IF;
            RETURN NEW;
        END""",
    # The fills are locked (in one order, so that two units cannot lock each other out) before
    # their sums are read: the second of two concurrent inserts waits, and then sees the first.
    "reconciliation_guard_allocation": f"""
        DECLARE
            broken text;
        BEGIN
            PERFORM 1 FROM {FILL} WHERE id IN (SELECT fill_id FROM added)
                ORDER BY id FOR NO KEY UPDATE;
            SELECT CASE WHEN consumed.quantity > f.quantity
                        THEN 'fill_never_over_consumed' ELSE 'fill_never_over_released' END
                INTO broken
                FROM {FILL} f JOIN (
                    SELECT a.fill_id,
                           sum(CASE WHEN a.released THEN -a.quantity ELSE a.quantity END) quantity
                        FROM {ALLOCATION} a WHERE a.fill_id IN (SELECT fill_id FROM added)
                        GROUP BY a.fill_id
                ) consumed ON consumed.fill_id = f.id
                WHERE consumed.quantity > f.quantity OR consumed.quantity < 0
                LIMIT 1;
            IF broken IS NOT NULL THEN
                RAISE EXCEPTION '%: its allocations sum to more than the fill, or to less than 0',
                    broken USING ERRCODE = 'check_violation', CONSTRAINT = broken,
                                 TABLE = TG_TABLE_NAME;
            END IF;
            RETURN NULL;
        END""",  # noqa: S608
}


def _postgresql(transitions: Mapping[tuple[str, str], Pairs]) -> list[str]:
    statements = [
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard${body}$guard$"
        for name, body in _POSTGRESQL_FUNCTIONS.items()
    ]

    def trigger(name: str, event: str, table: str, when: str, message: str) -> str:
        condition = f" WHEN ({when})" if when else ""
        refusal = message.partition(":")[0]
        return (
            f'CREATE TRIGGER "guard_{name}" {event} ON {table} FOR EACH ROW{condition}'
            f" EXECUTE FUNCTION reconciliation_guard_refuse"
            f"('{refusal}', '{message.partition(': ')[2]}')"
        )

    for table, name in APPEND_ONLY.items():
        statements += [
            trigger(f"{name}_update", "BEFORE UPDATE", table, "", f"{name}: no row is changed"),
            trigger(f"{name}_delete", "BEFORE DELETE", table, "", f"{name}: no row is deleted"),
            f'CREATE TRIGGER "guard_{name}_truncate" BEFORE TRUNCATE ON {table}'
            f" FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_guard_truncate"
            f"('{name}', 'the table is not emptied')",
        ]
    for table, name in KEPT.items():
        statements.append(
            trigger(f"{name}_delete", "BEFORE DELETE", table, "", f"{name}: no row is deleted")
        )
    for table, column, name in MONOTONE:
        when = f"NEW.{column} < OLD.{column}"
        statements.append(
            trigger(name, f"BEFORE UPDATE OF {column}", table, when, f"{name}: {column} only grows")
        )
    for (table, name), pairs in transitions.items():
        message = f"{name}: this change of status is not legal"
        when = _transition_test(pairs)
        statements.append(trigger(name, "BEFORE UPDATE OF status", table, when, message))
    statements += [
        f'CREATE TRIGGER "guard_fill_is_evidence_update" BEFORE UPDATE ON {FILL}'
        " FOR EACH ROW EXECUTE FUNCTION reconciliation_guard_fill_evidence()",
        f'CREATE TRIGGER "guard_fill_never_over_consumed" AFTER INSERT ON {ALLOCATION}'
        " REFERENCING NEW TABLE AS added"
        " FOR EACH STATEMENT EXECUTE FUNCTION reconciliation_guard_allocation()",
    ]
    return statements
