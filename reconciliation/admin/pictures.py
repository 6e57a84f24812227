"""A picture of quantities over time: lines in steps, drawn with attributes and classes alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

from reconciliation.admin.display import amount
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.timelines import Stretch

WIDTH, HEIGHT = 760, 250
LEFT, RIGHT, TOP, BOTTOM = 88, 16, 14, 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a picture. `css` is how it is drawn: its words stand in the legend."""

    words: str
    css: str
    path: str
    dots: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word at an axis; `at` is where its thin line is."""

    at: str
    words: str
    anchor: str = "middle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Lines over time with their axes; `says` tells in words what is to be seen.

    `headings` and `rows` are the same as a table, folded behind the picture.
    """

    template: ClassVar = "admin/reconciliation/sections/picture.html"
    title: str
    says: str
    note: str
    lines: Sequence[Line]
    across: Sequence[Label]
    up: Sequence[Label]
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def draw(
    *,
    title: str,
    says: str,
    note: str,
    lines: Sequence[tuple[str, str, Sequence[Stretch]]],
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> Picture | None:
    """Return a picture of lines given as (words, css, stretches); None where all are empty."""
    stretches = [stretch for _, _, each in lines for stretch in each]
    if not stretches:
        return None
    start = min(stretch.points[0][0] for stretch in stretches)
    end = max(max(stretch.until for stretch in stretches), start + timedelta(minutes=1))
    quantities = [quantity for stretch in stretches for _, quantity in stretch.points]
    low, high = min(ZERO, *quantities), max(ZERO, *quantities)
    if low == high:
        high = Decimal(1)

    def x(at: datetime) -> str:
        return f"{LEFT + (at - start) / (end - start) * (WIDTH - LEFT - RIGHT):.1f}"

    def y(quantity: Decimal) -> str:
        share = float((quantity - low) / (high - low))
        return f"{HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM):.1f}"

    drawn = []
    for words, css, each in lines:
        steps = []
        for stretch in each:
            first, *others = stretch.points
            steps.append(f"M{x(first[0])} {y(first[1])}")
            steps += [f"H{x(at)}V{y(quantity)}" for at, quantity in others]
            steps.append(f"H{x(stretch.until)}")
        dots = [(x(at), y(quantity)) for stretch in each for at, quantity in stretch.points]
        drawn.append(Line(words=words, css=css, path="".join(steps), dots=dots))
    middle = start + (end - start) / 2
    return Picture(
        title=title,
        says=says,
        note=note,
        lines=drawn,
        across=[
            Label(at=x(start), words=_utc(start), anchor="start"),
            Label(at=x(middle), words=_utc(middle)),
            Label(at=x(end), words=f"{_utc(end)} UTC", anchor="end"),
        ],
        up=[Label(at=y(each), words=amount(each)) for each in sorted({low, ZERO, high})],
        headings=headings,
        rows=rows,
    )


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%m-%d %H:%M:%S}"
