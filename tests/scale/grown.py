"""A database of years: hundreds of thousands of ended rows in every table that only grows.

Rows are made in SQL from one template a table: row n of each table belongs to row n of the others,
a minute older than the one before it, and all to the account and the profile of the template.
"""

from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import (
    CharField,
    DateTimeField,
    Field,
    ForeignKey,
    JSONField,
    Model,
    UniqueConstraint,
    UUIDField,
)

from reconciliation import models
from reconciliation.domain.plans.nobodys import GONE_FROM_EXCHANGE
from tests.guards import guards_lifted

FIRST = 1_000_000
"""The key of the first made row: far from those of the story."""

# Every table that only grows, parents first, with what makes its template an ended row.
GROWING: Mapping[type[Model], Mapping[str, Any]] = {
    models.Run: {"status": "SUCCEEDED", "coverage": "COMPLETE"},
    models.Trade: {"status": "CLOSED", "entry_quantity": "1", "exit_quantity": "1"},
    models.Order: {"status": "CANCELED"},
    models.OrderLeg: {},
    models.Fill: {"allocated_quantity": "0.5", "quantity": "0.5"},
    models.TradeHistory: {},
    models.FillAllocation: {},
    models.Mismatch: {"status": "RESOLVED"},
    models.MismatchSighting: {},
    models.ReviewItem: {"status": "APPROVED"},
    models.BackfillCandidate: {"status": "REJECTED"},
    # What a person ignored is little; what was gone before anybody looked is much.
    models.ExternalOrder: {"status": "IGNORED", "why": GONE_FROM_EXCHANGE},
    models.Decision: {},
    models.ParityReading: {},
    models.Pause: {"source": "OPERATOR"},
    models.CapitalEntry: {},
    models.Escalation: {"status": "RESOLVED"},
    models.EscalationSighting: {},
    models.Errand: {"status": "DONE"},
    models.AuditEvent: {},
}
# Moments that an ended row has, whatever its template says.
ENDED = ("closed_at", "resolved_at", "ended_at", "finished_at", "as_of")
# What names one order, though two rows may have the same.
IDS = {"exchange_order_id", "client_order_id"}


def grow(rows: int) -> None:
    """Add so many rows to every growing table.

    PostgreSQL learns by itself how many there are; on SQLite nobody asks for that.
    """
    with guards_lifted(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The rows point where they should: looking each of them up would take minutes.
            cursor.execute("SET LOCAL session_replication_role = replica")
        for model, ended in GROWING.items():
            template = model._default_manager.order_by("pk").first()
            assert template is not None, f"the story has no {model.__name__}"
            _clone(cursor, template, ended, rows)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = DEFAULT")
            cursor.execute("ANALYZE")


def _clone(cursor: Any, template: Model, ended: Mapping[str, Any], rows: int) -> None:
    columns, values, parameters = [], [], []
    unique = _unique_fields(type(template))
    for field in type(template)._meta.concrete_fields:
        columns.append(connection.ops.quote_name(str(field.column)))
        sql, given = _value(field, template, ended, unique)
        values.append(sql)
        parameters += given
    table = connection.ops.quote_name(type(template)._meta.db_table)
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) {_numbers(rows)}"
        f" SELECT {', '.join(values)} FROM numbers"
        if connection.vendor == "postgresql"
        else f"{_numbers(rows)} INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT {', '.join(values)} FROM numbers",
        parameters,
    )


def _numbers(rows: int) -> str:
    if connection.vendor == "postgresql":
        return f"WITH numbers AS (SELECT generate_series(1, {rows}) AS n)"
    return (
        "WITH RECURSIVE numbers(n) AS"
        f" (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {rows})"
    )


def _value(
    field: "Field[Any, Any]", template: Model, ended: Mapping[str, Any], unique: set[str]
) -> tuple[str, list[Any]]:
    """Return the expression of a column of row n, with its parameters."""
    given = ended.get(field.name, getattr(template, field.attname))
    is_parent = isinstance(field, ForeignKey) and field.related_model in GROWING
    if field.primary_key or (is_parent and given is not None):
        return f"{FIRST} + n", []
    if isinstance(field, DateTimeField) and (given is not None or field.name in ENDED):
        return _moment(), []
    is_word = bool(field.choices) or field.name in ended
    if given is not None and field.name in unique and not is_word:
        if isinstance(field, UUIDField):
            return _uuid(), []
        if isinstance(field, CharField):
            return "'grown ' || n", []
    prepared = field.get_db_prep_save(
        field.to_python(given) if not isinstance(field, JSONField | ForeignKey) else given,
        connection,
    )
    kind = field.db_type(connection)
    return (f"%s::{kind}" if connection.vendor == "postgresql" and kind else "%s"), [prepared]


def _moment() -> str:
    if connection.vendor == "postgresql":
        return "timestamptz '2026-01-05 12:00:00+00' - n * interval '1 minute'"
    return "datetime('2026-01-05 12:00:00', '-' || n || ' minutes')"


def _uuid() -> str:
    if connection.vendor == "postgresql":
        return "('00000000-0000-0000-0000-' || lpad(to_hex(n), 12, '0'))::uuid"
    return "printf('%%032x', n)"


def _unique_fields(model: type[Model]) -> set[str]:
    """Return the columns of which no two rows have the same text."""
    names = IDS | {field.name for field in model._meta.concrete_fields if field.unique}
    for constraint in model._meta.constraints:
        if isinstance(constraint, UniqueConstraint):
            names |= set(constraint.fields)
    return names
