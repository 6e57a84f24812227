"""What an object page is made of: notices, facts, tables, blocks of text. None has a form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from django.db.models import Model, QuerySet
from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.columns import Column
from reconciliation.admin.links import anchor
from reconciliation.admin.pictures import Picture

ROWS_PER_TABLE = 20


def strong(words: str, *, css: str = "") -> str:
    """Return words that stand out in a table; they say it, their look only helps to find them."""
    return format_html('<strong class="{}">{}</strong>', css, words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A sentence that has to be read first. `level` is a colour; the sentence stands without."""

    template: ClassVar = "admin/reconciliation/sections/notice.html"
    level: Literal["success", "warning", "error"]
    sentence: str
    runbook: str = ""
    """The address of the runbook's section about it: `runbook_links.runbook_link(…)`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a page asks, and what is safest to do, before anything else."""

    template: ClassVar = "admin/reconciliation/sections/head.html"
    sentence: str
    safest: str
    urgency: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names and values."""

    template: ClassVar = "admin/reconciliation/sections/facts.html"
    title: str
    rows: Sequence[tuple[str, str]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells. `empty` is what stands in place of no rows."""

    template: ClassVar = "admin/reconciliation/sections/table.html"
    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str = ""
    note: str = ""
    more: str = ""
    foreign: bool = False
    """Whether others wrote the cells, whose words may have any length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A text on several lines, as it is."""

    template: ClassVar = "admin/reconciliation/sections/block.html"
    title: str
    text: str
    note: str = ""
    folded: str = ""
    """What to press to see the text, where the page has shown what it says already."""

    @classmethod
    def of(cls, *, title: str, text: str, note: str = "", folded: str = "") -> "Block":
        """Return a block of foreign text: made visible, cut where it is too long."""
        shown, cut = display.block(text)
        note = " ".join(part for part in (note, cut) if part)
        return cls(title=title, text=shown, note=note, folded=folded)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldedTable:
    """Rows that are read when somebody asks for them: all of them, however many there are."""

    template: ClassVar = "admin/reconciliation/sections/folded_table.html"
    title: str
    folded: str
    """What to press to see them."""
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Sentences, one a line."""

    template: ClassVar = "admin/reconciliation/sections/lines.html"
    title: str
    lines: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A section with a template of its own, to which `value` means what that template says."""

    template: str
    title: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table of related rows, read when the page is built, if the user may see such rows.

    `queryset` is ordered and has joined what the columns follow; `order` says that order in words;
    `url` leads to the full list, if there is one.
    """

    title: str
    queryset: QuerySet[Any]
    columns: Sequence[Column]
    order: str
    url: str
    empty: str
    note: str = ""

    @property
    def model(self) -> type[Model]:
        return self.queryset.model

    def without(self, *titles: str) -> "Grid":
        """Return the table without columns that would say in each row what the page is about."""
        columns = tuple(column for column in self.columns if column.title not in titles)
        return replace(self, columns=columns)

    def load(self) -> Table:
        """Read the rows: one query, one row more than is shown tells whether there are others."""
        found = list(self.queryset[: ROWS_PER_TABLE + 1])
        note, words = self.note, "Open as a list"
        if len(found) > ROWS_PER_TABLE:
            note = f"{note} The {self.order} {ROWS_PER_TABLE} are shown; there are more.".strip()
            words = "Open all of them as a list"
        return Table(
            title=self.title,
            headings=[column.title for column in self.columns],
            rows=[[column(row) for column in self.columns] for row in found[:ROWS_PER_TABLE]],
            empty=self.empty,
            note=note,
            more=anchor(self.url, words) if found and self.url else "",
        )


Section = Head | Notice | Facts | Table | FoldedTable | Block | Lines | Own | Picture | Grid


def gathered(sections: Iterable[Section]) -> list[Section]:
    """Return the sections with their rows read; those without a row share one at the end."""
    shown: list[Section] = []
    without: list[str] = []
    for section in sections:
        loaded = section.load() if isinstance(section, Grid) else section
        if isinstance(loaded, Table) and not loaded.rows:
            without.append(loaded.empty)
        else:
            shown.append(loaded)
    if without:
        shown.append(Lines(title="Nothing to show", lines=without))
    return shown
