"""Typed values of a drill: amounts, moments, durations, words; each error says what was meant."""

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from reconciliation.domain.amounts import InexactAmount, parse_amount
from reconciliation.drills.source import Node, Unreadable, describe, suggestion

Word = TypeVar("Word", bound=StrEnum)

_SPAN = re.compile(r"(?P<sign>[+-]?)(?P<count>[0-9]+)(?P<unit>ms|s|m|h|d)")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def text(node: Node, what: str) -> str:
    """Return a text that is not empty. A number is refused: its digits would not be kept."""
    value = node.value
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, str):
        raise node.error(f"{what} must not be empty")
    raise node.error(f"{what} must be text, not {describe(node)}{_quoted(node)}")


def amount(node: Node, what: str) -> Decimal:
    """Return an exact decimal, which a drill writes as a string."""
    if not isinstance(node.value, str):
        raise node.error(f"{what} must be a decimal in quotes, not {describe(node)}{_quoted(node)}")
    return _exact(node, what, node.value)


def expected_amount(node: Node, what: str) -> Decimal:
    """Return a decimal to compare with: a string, or a whole number without quotes."""
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return _exact(node, what, node.value)
    return amount(node, what)


def positive(node: Node, what: str) -> Decimal:
    """Return an amount above zero."""
    value = amount(node, what)
    if value <= 0:
        raise node.error(f"{what} must be above zero, not {describe(node)}")
    return value


def not_negative(node: Node, what: str) -> Decimal:
    """Return an amount of zero or more; where a sign is meant, a direction or side says it."""
    value = amount(node, what)
    if value < 0:
        raise node.error(f"{what} must not be negative, not {describe(node)}")
    return value


def whole(node: Node, what: str, *, least: int = 0) -> int:
    """Return a whole number, which is written without quotes."""
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool) and value >= least:
        return value
    raise node.error(f"{what} must be a whole number from {least} on, not {describe(node)}")


def truth(node: Node, what: str) -> bool:
    """Return true or false."""
    if isinstance(node.value, bool):
        return node.value
    raise node.error(f"{what} must be true or false, not {describe(node)}")


def word(node: Node, what: str, words: type[Word]) -> Word:
    """Return the member of a closed set of words."""
    return words(one_of(node, what, [member.value for member in words]))


def one_of(node: Node, what: str, words: Collection[str]) -> str:
    """Return the text where it is one of the words."""
    value = text(node, what)
    if value not in words:
        raise node.error(f"{what} cannot be {value!r}{suggestion(value, words)}")
    return value


def span(node: Node, what: str) -> timedelta:
    """Return a duration that is not negative: `500ms`, `90s`, `15m`, `2h`, `1d`."""
    parsed = _parse_span(node.value) if isinstance(node.value, str) else None
    if parsed is None or parsed < timedelta():
        raise node.error(
            f"{what} must be a duration such as 500ms, 90s, 15m, 2h or 1d, not {describe(node)}"
        )
    return parsed


def moment(node: Node, what: str, *, start: datetime | None) -> datetime:
    """Return a moment in UTC: ISO 8601, or an offset from the drill's `start` where it is given."""
    value = node.value
    if isinstance(value, str):
        found = _parse_offset(value, start) or _parse_iso(value)
        if found is not None and found.tzinfo is not None:
            return found
        if found is not None:
            raise node.error(f"{what} needs its time zone: {value}Z, if UTC is meant")
    forms = "ISO 8601 such as 2026-01-05T12:00:00Z"
    if start is not None:
        forms += ", or an offset from the start such as -90s or -2h"
    raise node.error(f"{what} must be {forms}, not {describe(node)}")


def _parse_span(value: str) -> timedelta | None:
    match = _SPAN.fullmatch(value.strip())
    if match is None:
        return None
    try:
        length = timedelta(**{_UNITS[match["unit"]]: int(match["count"])})
    except OverflowError:
        return None
    return -length if match["sign"] == "-" else length


def _parse_offset(value: str, start: datetime | None) -> datetime | None:
    length = _parse_span(value)
    if start is None or length is None:
        return None
    try:
        return start + length
    except OverflowError:
        return None


def _parse_iso(value: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value.strip())
        return moment if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _exact(node: Node, what: str, value: str | int) -> Decimal:
    try:
        return parse_amount(value)
    except InexactAmount as error:
        raise node.error(f"{what}: {error}") from error


def _quoted(node: Node) -> str:
    """Return the hint for a number or truth value that should have been text."""
    if isinstance(node.value, int | Unreadable):
        return f': write "{node.written}"'
    return ""
