"""What SQLite is told of the tables that grow, for it to choose its indexes by.

SQLite takes every index to be about as good as any other until statistics say more. It then likes
the index of a foreign key alone, by which every row of an account is read; and statistics of what
is in the tables today would mislead it another way, for nearly all rows have ended and those that
are asked for have not. So it is given statistics of the shape that never changes: one account and
few profiles own everything, few rows are in the state that is asked for, and an id names one.
PostgreSQL keeps better statistics by itself and is told nothing.
"""

from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.db import connections, models

ROWS = 1_000_000
"""How many rows a table is said to have: what decides is how much less an index leaves of it."""
ASKED_FOR = 1000
"""A status leaves one row of so many: the open ones are asked for, not the ended."""
WORDS = 10
"""A word of any other list, a yes or a no, leaves one row of so many."""
SYMBOLS = 100
A_FEW = 10
"""What an id, a key or a moment leaves."""

_SHARED = ("ExchangeAccount", "Profile")
# Of these, the ended ones are asked for: the newest that succeeded.
_ENDED_ASKED_FOR = ("Run",)


def tell_planner(sender: AppConfig, using: str, **_kwargs: Any) -> None:
    """Write SQLite's statistics of all indexes anew, after every `migrate`.

    A migration that remakes a table loses those of the table: this follows it.
    """
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        present = set(connection.introspection.table_names(cursor))
        # The table of statistics is made by the first ANALYZE, of however little.
        cursor.execute("ANALYZE django_migrations")
        for model in sender.get_models():
            table = model._meta.db_table
            if table not in present:
                continue
            cursor.execute("DELETE FROM sqlite_stat1 WHERE tbl = %s", [table])
            for index in _indexes(cursor, table):
                cursor.execute(
                    "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (%s, %s, %s)",
                    [table, index.name, _shape(model, index)],
                )
        # This connection reads them now; those opened later do so by themselves.
        cursor.execute("ANALYZE sqlite_schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    name: str
    columns: list[str | None]
    is_unique: bool
    is_partial: bool


def _indexes(cursor: Any, table: str) -> list[_Index]:
    """Return every index of a table, those that its constraints make as well."""
    cursor.execute('SELECT name, "unique", partial FROM pragma_index_list(%s)', [table])
    found = []
    for name, is_unique, is_partial in cursor.fetchall():
        cursor.execute("SELECT name FROM pragma_index_info(%s) ORDER BY seqno", [name])
        columns = [column for (column,) in cursor.fetchall()]
        found.append(
            _Index(
                name=name,
                columns=columns,
                is_unique=bool(is_unique),
                is_partial=bool(is_partial),
            )
        )
    return found


def _shape(model: type[models.Model], index: _Index) -> str:
    """Return how many rows there are, then how many each column more leaves, as SQLite has it."""
    fields = {str(field.column): field for field in model._meta.concrete_fields}
    # A partial index is of the rows that are asked for.
    left = ROWS // ASKED_FOR if index.is_partial else ROWS
    shape = [left]
    for number, column in enumerate(index.columns, 1):
        left = max(left // _divisor(fields.get(column or "")), 1)
        shape.append(1 if index.is_unique and number == len(index.columns) else left)
    return " ".join(str(rows) for rows in shape)


def _divisor(field: "models.Field[Any, Any] | None") -> int:
    """Return how much less is left where the field is equal to what is asked for."""
    if field is None:
        return A_FEW
    if isinstance(field, models.ForeignKey) and field.related_model.__name__ in _SHARED:
        return 1
    if field.name == "status" and field.model.__name__ not in _ENDED_ASKED_FOR:
        return ASKED_FOR
    if field.choices or isinstance(field, models.BooleanField):
        return WORDS
    if field.name == "symbol":
        return SYMBOLS
    return ROWS // A_FEW
