"""Text from outside, as every column can hold it.

An exchange's message may hold a NUL or half a surrogate pair, which PostgreSQL stores neither as
text nor in JSON. What is only shown must not fail for that.
"""

from collections.abc import Mapping
from typing import Any

REPLACEMENT = "\ufffd"


def storable(value: Any) -> Any:
    """Return a text, or a structure of JSON, with what no column can hold replaced."""
    if isinstance(value, str):
        return (
            value.encode("utf-16", "surrogatepass")
            .decode("utf-16", "replace")
            .replace("\x00", REPLACEMENT)
        )
    if isinstance(value, Mapping):
        return {storable(key): storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value


def storable_json(text: str) -> str:
    """Return JSON as text with half surrogate pairs escaped, which is the same JSON."""
    return text.encode("utf-8", "backslashreplace").decode()
