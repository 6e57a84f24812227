"""Columns of lists and of the tables on object pages: a title, and how a row reads under it.

A column is only sortable where it names an index to sort by (`ordering`): a click on a title must
not sort a million rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Model
from django.utils.text import slugify

from reconciliation.admin import display
from reconciliation.admin.links import label, short
from reconciliation.admin.links import link as link_row
from reconciliation.admin.links import short_link as short_link_row


@dataclass(frozen=True, slots=True)
class Column:
    """What Django's admin asks of a callable in `list_display`, and no more."""

    title: str
    cell: Callable[[Any], str]
    ordering: str | None = None

    def __call__(self, row: Model) -> str:
        return self.cell(row)

    @property
    def __name__(self) -> str:
        return slugify(self.title).replace("-", "_")

    @property
    def short_description(self) -> str:
        return self.title

    @property
    def admin_order_field(self) -> str | None:
        return self.ordering


def follow(row: object, path: str) -> Any:
    """Return the value at a dotted path, None where the way ends before."""
    for name in path.split("."):
        if row is None:
            return None
        try:
            row = getattr(row, name)
        except ObjectDoesNotExist:
            return None
    return row


def text(title: str, path: str) -> Column:
    return Column(title, lambda row: display.text(follow(row, path)))


def short_text(title: str, path: str) -> Column:
    """Return a column of ids, of which long ones show their end alone."""
    return Column(title, lambda row: short(display.text(follow(row, path))))


def amount(title: str, path: str) -> Column:
    return Column(title, lambda row: display.amount(follow(row, path)))


def signed(title: str, path: str) -> Column:
    return Column(title, lambda row: display.signed(follow(row, path)))


def computed_amount(title: str, compute: Callable[[Any], Decimal | None]) -> Column:
    return Column(title, lambda row: display.amount(compute(row)))


def computed_signed(title: str, compute: Callable[[Any], Decimal | None]) -> Column:
    return Column(title, lambda row: display.signed(compute(row)))


def moment(title: str, path: str, *, ordering: str | None = None) -> Column:
    """Return a column of moments in UTC; its title says so once, for all rows."""
    return Column(
        f"{title} (UTC)", lambda row: display.moment_of_column(follow(row, path)), ordering
    )


def yes_no(title: str, path: str) -> Column:
    return Column(title, lambda row: display.yes_no(follow(row, path)))


def link(title: str, path: str) -> Column:
    """Return a column that leads to a related row, which the queryset must have joined.

    A long name shows its end alone.
    """
    return Column(title, lambda row: short_link_row(follow(row, path)))


def whole_link(title: str, path: str) -> Column:
    """Return a column like `link` that never shortens a name: of profiles and accounts."""
    return Column(title, lambda row: link_row(follow(row, path)))


def name(title: str) -> Column:
    """Return a row's own name, for the first column of its list: Django links it to the page."""
    return Column(title, lambda row: short(label(row)))


def itself(title: str) -> Column:
    """Return a column that leads to the row's own page, for tables on other pages."""
    return Column(title, short_link_row)
