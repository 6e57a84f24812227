"""How values read on a page: decimals plain, moments in UTC, foreign text made harmless.

Escaping is the template's and `format_html`'s work; what is done here is about reading. Text that
an exchange or a bot wrote may hold characters that cannot be seen or that reorder a line, so
`visible` spells them out.
"""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from django.utils.html import format_html, format_html_join

from reconciliation.domain.amounts import InexactAmount, parse_amount, plain
from reconciliation.domain.keys import iso_utc

NOTHING = "–"
BLOCK_LIMIT = 50_000
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_INDENT = "  "


def visible(text: str, *, keep: str = "") -> str:
    """Return the text with control, formatting and line characters spelled out, but for `keep`."""
    return "".join(
        f"\\u{ord(char):04x}"
        if char not in keep and unicodedata.category(char) in _INVISIBLE
        else char
        for char in text
    )


def clipped(text: str, limit: int) -> str:
    """Return at most `limit` characters, and an ellipsis where some are missing."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def amount(value: Decimal | None) -> str:
    """Return the shortest plain text of an amount; unknown is never shown as zero."""
    return NOTHING if value is None else plain(value)


def signed(value: Decimal | None) -> str:
    """Return an amount that carries its sign, also when it is positive."""
    if value is None:
        return NOTHING
    return f"+{plain(value)}" if value > 0 else plain(value)


def moment(value: datetime | None) -> str:
    """Return a moment in UTC with seconds, as a `<time>` that does not wrap."""
    if value is None:
        return NOTHING
    return _time(value, " UTC")


def moment_of_column(value: datetime | None) -> str:
    """Return a moment for a column whose title says that it is UTC."""
    return NOTHING if value is None else _time(value, "")


def age(value: datetime | None, now: datetime) -> str:
    """Return a moment with how long ago it was, or how soon it will be; the exact UTC stays."""
    if value is None:
        return NOTHING
    return format_html(
        '{} <span class="ago" data-since="{}">{}</span>',
        _time(value, " UTC"),
        iso_utc(value),
        ago(now - value),
    )


def ago(passed: timedelta) -> str:
    """Return a span as a person says it: `12 s ago`, `in 3 min`; portal.js says it alike."""
    seconds = round(passed.total_seconds())
    words = span(abs(seconds))
    return f"in {words}" if seconds < 0 else f"{words} ago"


def span(seconds: float) -> str:
    """Return a length of time in its largest whole unit, two units from an hour on."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    hours, minutes = divmod(whole // 60, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d"


def spaced(*parts: str) -> str:
    """Return texts, each with its own marks, one after the other; empty ones are left out."""
    return format_html_join(" ", "{}", ((part,) for part in parts if part))


def duration(start: datetime, end: datetime | None) -> str:
    """Return how long something took, in seconds; it may not be over."""
    if end is None:
        return "running"
    return f"{(end - start).total_seconds():.1f} s"


def yes_no(value: bool | None) -> str:
    """Return a truth value as a word."""
    return NOTHING if value is None else "yes" if value else "no"


def text(value: object) -> str:
    """Return any value as one harmless line."""
    if value is None or value == "":
        return NOTHING
    return visible(str(value))


def first_line(value: str, limit: int = 120) -> str:
    """Return the first line of a longer text, for a row of a list."""
    line = value.strip().split("\n", 1)[0]
    return text(clipped(line, limit))


def block(value: str) -> tuple[str, str]:
    """Return a text as it is shown in a block, and a note where it had to be cut."""
    note = ""
    if len(value) > BLOCK_LIMIT:
        note = f"The first {BLOCK_LIMIT:,} of {len(value):,} characters."
        value = value[:BLOCK_LIMIT]
    return visible(value, keep="\n\t"), note


def pretty_json_text(stored: str) -> str:
    """Return a JSON text on several lines, every number with the digits it was stored with.

    A text that is not JSON comes back as it is: it is evidence all the same.
    """
    try:
        value = json.loads(
            stored, parse_float=_Verbatim, parse_int=_Verbatim, parse_constant=_refuse_constant
        )
        return "\n".join(_lines(value, sort=False))
    except (ValueError, RecursionError):
        return stored


def pretty_json(value: object) -> str:
    """Return a value of a JSON column on several lines, sorted: PostgreSQL keeps no order."""
    return "\n".join(_lines(value, sort=True))


def inline_json(value: object) -> str:
    """Return a value of a JSON column as one line: a text as it is, the rest as JSON."""
    if isinstance(value, str):
        return text(value)
    if value is None:
        return NOTHING
    return visible(json.dumps(value, ensure_ascii=False, sort_keys=True))


def pairs(value: Mapping[str, object]) -> str:
    """Return a flat mapping as words, `orders 5, mismatches 1`; a zero is left out."""
    words = (
        f"{text(key.replace('_', ' '))} {inline_json(item)}"
        for key, item in sorted(value.items())
        if item != 0
    )
    return ", ".join(words) or NOTHING


def same_value(left: object, right: object) -> bool:
    """Return whether two values of JSON columns mean the same: `"1.0"` and `"1"` do."""
    if left == right and isinstance(left, bool) == isinstance(right, bool):
        return True
    if not isinstance(left, str | int) or not isinstance(right, str | int):
        return False
    try:
        return parse_amount(left) == parse_amount(right)
    except InexactAmount:
        return False


def _time(value: datetime, zone: str) -> str:
    utc = value.astimezone(UTC)
    return format_html(
        '<time class="nowrap" datetime="{}">{}{}</time>',
        iso_utc(value),
        f"{utc:%Y-%m-%d %H:%M:%S}",
        zone,
    )


class _Verbatim(str):
    """A number of a JSON text, kept as its digits."""

    __slots__ = ()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _lines(value: object, *, sort: bool) -> list[str]:
    if isinstance(value, _Verbatim):
        return [str(value)]
    if isinstance(value, Mapping) and value:
        members = sorted(value.items()) if sort else value.items()
        names = [(f"{json.dumps(key, ensure_ascii=False)}: ", item) for key, item in members]
        return _nested("{}", names, sort=sort)
    if isinstance(value, Sequence) and value and not isinstance(value, str):
        return _nested("[]", [("", item) for item in value], sort=sort)
    return [json.dumps(value, ensure_ascii=False)]


def _nested(brackets: str, items: Sequence[tuple[str, object]], *, sort: bool) -> list[str]:
    lines = [brackets[0]]
    for number, (name, item) in enumerate(items, start=1):
        inner = _lines(item, sort=sort)
        inner[0] = name + inner[0]
        if number < len(items):
            inner[-1] += ","
        lines += [_INDENT + line for line in inner]
    return [*lines, brackets[1]]
