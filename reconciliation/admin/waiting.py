"""How urgent a waiting row is, as lists and pages say it: in words, and in a colour beside them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils.html import format_html

from reconciliation.admin import columns as col
from reconciliation.admin import display
from reconciliation.admin.deciding_types import now
from reconciliation.domain.severity import Severity
from reconciliation.selectors.queues import Waiting

_COLOURS = {Severity.CRITICAL: "bad", Severity.HIGH: "bad", Severity.MEDIUM: "doubt"}


def severity(waiting: Waiting) -> str:
    """Return how bad it is as a word."""
    colour = _COLOURS.get(waiting.severity, "")
    return format_html('<span class="word {}">{}</span>', colour, str(waiting.severity))


def due(waiting: Waiting, moment: datetime) -> str:
    """Return until when it should be decided; what is overdue says by how long."""
    passed = (moment - waiting.due_at).total_seconds()
    if waiting.is_overdue:
        words = f"overdue by {display.span(passed)}"
        return format_html('<span class="word bad">{}</span>', words)
    return format_html('<span class="nowrap">in {}</span>', display.span(-passed))


def in_short(waiting: Waiting, moment: datetime) -> str:
    """Return severity, until when it is due, and what it is worth, on one line."""
    return format_html(
        "Severity {}. Waits since {}, due {}. Worth: {}.",
        severity(waiting),
        display.age(waiting.opened_at, moment),
        due(waiting, moment),
        _worth(waiting) + ("" if waiting.notional_usd is None else " USD"),
    )


def columns() -> tuple[col.Column, ...]:
    """Return the columns of a queue's list; a row that was answered has none of it."""
    return (
        col.Column("Severity", _of(severity)),
        col.Column("Waits", _of(lambda each: display.span(_waited(each)))),
        col.Column("Due", _of(lambda each: due(each, now()))),
        col.Column("Notional (USD)", _of(_worth)),
    )


def _waited(waiting: Waiting) -> float:
    return max((now() - waiting.opened_at).total_seconds(), 0)


def _worth(waiting: Waiting) -> str:
    return "unknown" if waiting.notional_usd is None else display.amount(waiting.notional_usd)


def _of(say: Callable[[Waiting], str]) -> Callable[[Any], str]:
    def cell(row: Any) -> str:
        weighed: Waiting | None = getattr(row, "weighed", None)
        return display.NOTHING if weighed is None else say(weighed)

    return cell
