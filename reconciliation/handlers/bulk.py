"""Write many rows in one statement, through one JSON parameter.

A statement has a limit of parameters (999 on SQLite as Django counts), so rows go in as one JSON
array of arrays and are taken apart by the database: `json_each` on SQLite, `jsonb_array_elements`
on PostgreSQL. Values pass through each field's `get_db_prep_save`, so a row reads back as one that
the ORM wrote. `save()` and its signals are not called.

Text that only one engine could store (a NUL, half a surrogate pair) is a `DataError` on both, and
so is text longer than its column, which SQLite would keep and PostgreSQL refuse.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from django.db import DataError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, ForeignKey, JSONField, Model

from reconciliation.domain.amounts import plain

_AnyField: TypeAlias = "Field[Any, Any]"


def insert_rows(model: type[Model], rows: Sequence[Model], *, using: str = "default") -> None:
    """Insert all rows in one statement; an automatic primary key is set on each row.

    Raises ValueError when only some rows bring their automatic key, and what the database raises
    (nothing is inserted then).
    """
    if not rows:
        return
    connection = connections[using]
    fields = _inserted_fields(model, rows)
    sql = _insert_sql(model, fields, connection)
    key = _key(model)
    if key in fields:
        _execute(connection, sql, fields, rows)
    else:
        sql += f" RETURNING {_column(key, connection)}"
        # Keys are given in the order of the input (it is sorted, and both engines count upwards),
        # but RETURNING promises no order: sorting its answer restores it.
        keys = sorted(_execute_returning(connection, sql, fields, rows))
        for row, value in zip(rows, keys, strict=True):
            row.pk = value
    for row in rows:
        row._state.adding = False
        row._state.db = using


def insert_missing_rows(
    model: type[Model],
    rows: Sequence[Model],
    conflict_fields: Sequence[str],
    *,
    using: str = "default",
) -> int:
    """Insert the rows whose `conflict_fields` no row has yet; return how many were inserted.

    The fields are those of one unique constraint without a condition. Rows do not learn their
    automatic keys, because some of them were not inserted.
    """
    if not rows:
        return 0
    connection = connections[using]
    fields = _inserted_fields(model, rows)
    target = ", ".join(_column(_field(model, name), connection) for name in conflict_fields)
    sql = f"{_insert_sql(model, fields, connection)} ON CONFLICT ({target}) DO NOTHING"
    return _execute(connection, sql, fields, rows)


def update_rows(
    model: type[Model], rows: Sequence[Model], fields: Sequence[str], *, using: str = "default"
) -> int:
    """Write the named fields of every row, found by its primary key; return how many there were.

    Raises ValueError for a row without a key, two rows with one key, or no field to write.
    """
    if not rows:
        return 0
    key = _key(model)
    written = [_field(model, name) for name in fields]
    if not written or key in written:
        raise ValueError("name the fields to write; the primary key is not one of them")
    keys = [row.pk for row in rows]
    if None in keys or len(set(keys)) != len(keys):
        raise ValueError("every row needs a primary key of its own")
    connection = connections[using]
    values = [_value_sql(field, at, connection) for at, field in enumerate([key, *written])]
    assignments = ", ".join(
        f"{_column(field, connection)} = {value}"
        for field, value in zip(written, values[1:], strict=True)
    )
    table = connection.ops.quote_name(model._meta.db_table)
    sql = (
        f"UPDATE {table} SET {assignments} FROM {_input_sql(connection)}"  # noqa: S608
        f" WHERE {table}.{_column(key, connection)} = {values[0]}"
    )
    return _execute(connection, sql, [key, *written], rows)


def _key(model: type[Model]) -> _AnyField:
    key: _AnyField = model._meta.pk
    return key


def _column(field: _AnyField, connection: BaseDatabaseWrapper) -> str:
    """Return the quoted name of a field's column."""
    return connection.ops.quote_name(str(field.column))


def _field(model: type[Model], name: str) -> _AnyField:
    """Return a concrete field by its name or its attribute's (`trade`, `trade_id`)."""
    for field in model._meta.concrete_fields:
        if name in (field.name, field.attname):
            return field
    raise ValueError(f"{model.__name__} has no column {name!r}")


def _inserted_fields(model: type[Model], rows: Sequence[Model]) -> list[_AnyField]:
    """Return the columns to insert: all, but an automatic key that the rows leave unset."""
    strangers = {type(row).__name__ for row in rows if not isinstance(row, model)}
    if strangers:
        raise ValueError(f"not rows of {model.__name__}: {', '.join(sorted(strangers))}")
    given = {row.pk is not None for row in rows}
    if len(given) == 2:
        raise ValueError("either every row brings its primary key or none does")
    fields: list[_AnyField] = list(model._meta.concrete_fields)
    if given == {False}:
        if model._meta.auto_field is None:
            raise ValueError(f"{model.__name__} has no automatic primary key; set it")
        fields.remove(model._meta.auto_field)
    return fields


def _insert_sql(
    model: type[Model], fields: Sequence[_AnyField], connection: BaseDatabaseWrapper
) -> str:
    table = connection.ops.quote_name(model._meta.db_table)
    columns = ", ".join(_column(field, connection) for field in fields)
    values = ", ".join(_value_sql(field, at, connection) for at, field in enumerate(fields))
    return (
        f"INSERT INTO {table} ({columns}) SELECT {values}"  # noqa: S608
        # WHERE true: without it SQLite reads an ON CONFLICT as the ON of a join.
        f" FROM {_input_sql(connection)} WHERE true ORDER BY {_order_sql(connection)}"
    )


def _input_sql(connection: BaseDatabaseWrapper) -> str:
    if connection.vendor == "postgresql":
        return "jsonb_array_elements(%s::jsonb) WITH ORDINALITY AS input(value, key)"
    return "json_each(%s) AS input"


def _order_sql(connection: BaseDatabaseWrapper) -> str:
    return "input.key" if connection.vendor == "postgresql" else "CAST(input.key AS integer)"


def _value_sql(field: _AnyField, at: int, connection: BaseDatabaseWrapper) -> str:
    """Return the expression that takes a field's value out of the input, in its column's type."""
    if connection.vendor == "postgresql":
        kind = _postgresql_type(field, connection)
        text = f"input.value ->> {at}"
        return f"({text})::{kind}" if kind else text
    return f"json_extract(input.value, '$[{at}]')"


def _postgresql_type(field: _AnyField, connection: BaseDatabaseWrapper) -> str:
    """Return the type to cast to, empty for text: a cast to varchar(n) would cut silently."""
    while isinstance(field, ForeignKey):
        field = field.target_field
    kind = field.rel_db_type(connection) or ""
    if kind.startswith(("varchar", "char", "text")):
        return ""
    # A cast to numeric(p, s) would round; the assignment to the column is checked all the same.
    return "numeric" if kind.startswith("numeric") else kind


def _execute(
    connection: BaseDatabaseWrapper, sql: str, fields: Sequence[_AnyField], rows: Sequence[Model]
) -> int:
    parameter = _parameter(fields, rows, connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, [parameter])
        return int(cursor.rowcount)


def _execute_returning(
    connection: BaseDatabaseWrapper, sql: str, fields: Sequence[_AnyField], rows: Sequence[Model]
) -> list[Any]:
    parameter = _parameter(fields, rows, connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, [parameter])
        return [key for (key,) in cursor.fetchall()]


def _parameter(
    fields: Sequence[_AnyField], rows: Sequence[Model], connection: BaseDatabaseWrapper
) -> str:
    """Return the rows as one JSON array of arrays, in the order of `fields`."""
    table = [[_json_value(field, row, connection) for field in fields] for row in rows]
    text = json.dumps(table, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError("text holds half a surrogate pair, which UTF-8 cannot") from error
    return text


def _json_value(
    field: _AnyField, row: Model, connection: BaseDatabaseWrapper
) -> str | int | float | bool | None:
    value = field.get_db_prep_save(getattr(row, field.attname), connection)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        if "\x00" in value:
            raise DataError(f"{field.name} holds a NUL, which PostgreSQL cannot store")
        if field.max_length is not None and len(value) > field.max_length:
            raise DataError(f"{field.name} is longer than {field.max_length}")
        return value
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(field, JSONField):
        # psycopg's wrapper; SQLite has got its text already.
        return json.dumps(value.obj, cls=field.encoder)
    raise TypeError(f"{field.name}: a {type(value).__name__} cannot be written in bulk")
