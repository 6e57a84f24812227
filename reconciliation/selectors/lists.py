"""A list of any length as one query parameter."""

import json
from collections.abc import Iterable

from django.db import connection
from django.db.models.expressions import RawSQL


def text_list(values: Iterable[str]) -> RawSQL:
    """Return what `field__in=` takes for a list of texts: one parameter however long it is.

    A text that no column can hold is no row's, and PostgreSQL refuses to be asked for it.
    """
    held = (text for text in values if _can_be_held(text))
    return _list(held, "jsonb_array_elements_text(%s::jsonb)")


def id_list(values: Iterable[int]) -> RawSQL:
    """Return what `field__in=` takes for a list of ids: one parameter however long it is."""
    return _list(values, "(jsonb_array_elements_text(%s::jsonb))::bigint")


def _can_be_held(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def _list(values: Iterable[object], postgresql: str) -> RawSQL:
    # Each engine has its own limit of parameters, and a cycle must not depend on how many orders
    # there are; both can take a JSON array apart.
    parameter = json.dumps(sorted(set(values), key=str))
    if connection.vendor == "postgresql":
        return RawSQL(f"SELECT {postgresql}", [parameter])  # noqa: S611  (constants above)
    return RawSQL("SELECT value FROM json_each(%s)", [parameter])
