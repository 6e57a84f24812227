"""Delivered beside effective: a difference that remains is a correction owed to the bot."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.page import Notice, Table, strong

Value = Decimal | str | None


@dataclass(frozen=True, slots=True)
class Delivered:
    """One field: what is held to be true, and what was delivered last (None: not delivered)."""

    name: str
    effective: Value
    delivered: Value

    @property
    def differs(self) -> bool:
        return self.delivered is not None and self.delivered != self.effective

    @property
    def verdict(self) -> str:
        if self.differs:
            return strong("differs")
        return "same" if self.delivered == self.effective else "not delivered"


def owed(fields: Sequence[Delivered]) -> str:
    """Return the fields that a correction is owed for, as the cell of a list."""
    if all(field.delivered is None for field in fields):
        return "not delivered"
    return ", ".join(field.name.lower() for field in fields if field.differs) or display.NOTHING


def compare(
    fields: Sequence[Delivered], *, undelivered: str, delivered_at: datetime | None = None
) -> Iterable[Notice | Table]:
    """Return the two sides, field by field, led by a sentence when a correction is owed.

    `undelivered` is that sentence where the trading system has not delivered the row at all.
    """
    if all(field.delivered is None for field in fields):
        yield Notice(level="warning", sentence=undelivered)
    differing = [field.name.lower() for field in fields if field.differs]
    if differing:
        yield Notice(
            level="warning",
            sentence=(
                f"The trading system delivered another {_all_of(differing)}; it must be told."
            ),
        )
    yield Table(
        title="Effective beside delivered",
        headings=["Field", "Effective", "Delivered", "Comparison"],
        rows=[
            [field.name, _shown(field.effective), _shown(field.delivered), field.verdict]
            for field in fields
        ],
        note=format_html(
            "Effective is what the portal holds to be true; delivered is the trading system's "
            "last word{}.",
            format_html(", of {}", display.moment(delivered_at)) if delivered_at else "",
        ),
    )


def _all_of(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _shown(value: Value) -> str:
    return display.amount(value) if isinstance(value, Decimal) else display.text(value)
