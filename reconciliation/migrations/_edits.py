"""Triggers that note what is written past the portal: an UPDATE that does not count the version.

Every write of the portal counts the version of its row, so it leaves no note. A migration that lets
SQLite remake one of the tables installs these again at its end.
"""

from collections.abc import Mapping
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor

EDIT = "reconciliation_outsideedit"
PROFILE = "reconciliation_profile"
FUNCTION = "reconciliation_note_outside_edit"
# What the portal holds to be true of a row, by the table's word; frozen with the migration.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "order": (
        "profile_id",
        "trade_id",
        "purpose",
        "client_order_id",
        "exchange_order_id",
        "symbol",
        "side",
        "status",
        "quantity",
        "price",
        "filled_quantity",
        "average_price",
        "end_reason",
    ),
    "trade": (
        "profile_id",
        "trade_id",
        "symbol",
        "direction",
        "status",
        "entry_quantity",
        "exit_quantity",
        "average_entry_price",
        "average_exit_price",
        "reversals",
        "closed_at",
    ),
    "position": (
        "profile_id",
        "symbol",
        "direction",
        "quantity",
        "entry_price",
        "delivered_quantity",
        "delivered_entry_price",
    ),
}
_NOTED = (
    "kind, row_id, account_id, profile_id, trade_id, symbol, direction, before, after, edited_at"
)


def install(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the triggers, in place of those there are."""
    remove(schema_editor)
    vendor = schema_editor.connection.vendor
    if vendor == "postgresql":
        schema_editor.execute(_FUNCTION, params=None)
    trigger = {"postgresql": _postgresql, "sqlite": _sqlite}[vendor]
    for word in COLUMNS:
        schema_editor.execute(trigger(word), params=None)


def remove(schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Drop the triggers there are."""
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for word in COLUMNS:
        on = f" ON reconciliation_{word}" if is_postgresql else ""
        schema_editor.execute(f'DROP TRIGGER IF EXISTS "{_name(word)}"{on}', params=None)
    if is_postgresql:
        schema_editor.execute(f"DROP FUNCTION IF EXISTS {FUNCTION}()", params=None)


def _name(word: str) -> str:
    return f"note_{word}_edited_outside"


_FUNCTION = f"""
CREATE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql AS $guard$
DECLARE
    kind text := TG_ARGV[0];
    kept text[] := string_to_array(TG_ARGV[1], ',');
    was jsonb := to_jsonb(OLD);
    now_is jsonb := to_jsonb(NEW);
BEGIN
    INSERT INTO {EDIT} ({_NOTED}) VALUES (
        kind,
        NEW.id,
        CASE kind WHEN 'position'
            THEN (SELECT account_id FROM {PROFILE} WHERE id = NEW.profile_id)
            ELSE (now_is->>'account_id')::bigint END,
        NEW.profile_id,
        CASE kind WHEN 'trade' THEN NEW.id
            WHEN 'order' THEN coalesce(was->>'trade_id', now_is->>'trade_id')::bigint END,
        NEW.symbol,
        CASE kind WHEN 'position' THEN now_is->>'direction' ELSE '' END,
        (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(was) WHERE key = ANY(kept)),
        (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(now_is) WHERE key = ANY(kept)),
        clock_timestamp()
    );
    RETURN NULL;
END$guard$"""  # noqa: S608


def _postgresql(word: str) -> str:
    columns = COLUMNS[word]
    differ = " OR ".join(f"OLD.{name} IS DISTINCT FROM NEW.{name}" for name in columns)
    return (
        f'CREATE TRIGGER "{_name(word)}" AFTER UPDATE ON reconciliation_{word} FOR EACH ROW'
        f" WHEN (OLD.version = NEW.version AND ({differ}))"
        f" EXECUTE FUNCTION {FUNCTION}('{word}', '{','.join(columns)}')"
    )


def _sqlite(word: str) -> str:
    columns = COLUMNS[word]
    differ = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in columns)
    account = "NEW.account_id"
    if word == "position":
        account = f"(SELECT account_id FROM {PROFILE} WHERE id = NEW.profile_id)"  # noqa: S608
    trade = {"order": "coalesce(OLD.trade_id, NEW.trade_id)", "trade": "NEW.id"}.get(word, "NULL")
    direction = "NEW.direction" if word == "position" else "''"
    return (
        f'CREATE TRIGGER "{_name(word)}" AFTER UPDATE ON reconciliation_{word}'  # noqa: S608
        f" WHEN OLD.version = NEW.version AND ({differ}) BEGIN"
        f" INSERT INTO {EDIT} ({_NOTED}) VALUES ('{word}', NEW.id, {account}, NEW.profile_id,"
        f" {trade}, NEW.symbol, {direction}, {_json('OLD', columns)}, {_json('NEW', columns)},"
        f" strftime('%Y-%m-%d %H:%M:%f', 'now')); END"
    )


def _json(side: str, columns: Any) -> str:
    pairs = ", ".join(f"'{name}', CAST({side}.{name} AS TEXT)" for name in columns)
    return f"json_object({pairs})"
