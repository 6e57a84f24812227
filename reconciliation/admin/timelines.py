"""The life of a trade on its page: what happened, what was open after it, and a picture of both."""

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from reconciliation.admin import display
from reconciliation.admin.links import anchor
from reconciliation.admin.page import Notice, Section, Table
from reconciliation.admin.pictures import Picture, draw
from reconciliation.admin.reads import open_quantity
from reconciliation.admin.timeline_sentences import sentence
from reconciliation.conf import Conf
from reconciliation.domain.keys import iso_utc
from reconciliation.domain.timelines import Held, Mark, Open, exchange_line, own_line
from reconciliation.enums import LIVE_TRADE_STATUSES, TimelineSource
from reconciliation.models import ParityReading, Trade
from reconciliation.selectors.gate import STALE_AFTER_INTERVALS
from reconciliation.selectors.timelines import Before, Timeline, load_held

_UNKNOWN = "UNKNOWN"
_DRAWN = 400


def timeline_url(trade: Trade, before: Mark | None = None) -> str:
    """Return the address of a trade's timeline, from its end or from before a place."""
    url = reverse("admin:trade_timeline", args=[trade.pk])
    if before is None:
        return url
    place = {"before": iso_utc(before.at), "of": before.source.value, "row": before.row_id}
    return f"{url}?{urlencode(place)}"


def parse_before(given: dict[str, str]) -> Before | None:
    """Return the place that an address names; raises ValueError for one that it cannot."""
    if "before" not in given:
        return None
    at = datetime.fromisoformat(given["before"])
    row_id = int(given.get("row", ""))
    if at.tzinfo is None or not 0 <= row_id < 2**63:
        raise ValueError("no place of a timeline")
    return at, TimelineSource(given.get("of", "")), row_id


def timeline_table(
    trade: Trade, timeline: Timeline, now: datetime, *, is_newest: bool = True
) -> Table:
    """Return a page of the timeline, the earliest moment first."""
    running = {each.row_id: each.quantity for each in timeline.running or ()}
    rows = []
    for mark in timeline.marks:
        is_open_known = mark.source == TimelineSource.HISTORY
        after = running.get(mark.row_id) if is_open_known else None
        rows.append(
            [
                format_html('<span class="timeline-when">{}</span>', display.age(mark.at, now)),
                format_html('<span class="timeline-sentence">{}</span>', sentence(timeline, mark)),
                _open_after(is_history=is_open_known, after=after),
                _held(timeline, mark),
                str(mark.source.label),
            ]
        )
    earlier = (
        anchor(timeline_url(trade, timeline.marks[0]), "Earlier moments")
        if timeline.has_earlier and timeline.marks
        else ""
    )
    latest = "" if is_newest else anchor(timeline_url(trade), "Latest moments")
    ways = [way for way in (earlier, latest) if way]
    return Table(
        title="Timeline",
        headings=["When", "What happened", "Open after it", "At the exchange", "From"],
        rows=rows,
        empty="Nothing has happened to this trade yet.",
        note=_note(timeline),
        more=_beside(ways),
    )


def _beside(ways: list[str]) -> str:
    return format_html_join(" · ", "{}", ((way,) for way in ways))


def _note(timeline: Timeline) -> str:
    parts = [
        "The earliest moment first. History rows stand where they were recorded, which is when the"
        " open quantity changed here.",
        "What the exchange held is of the account's whole position"
        + (
            f", which {timeline.others} other open "
            f"{'trade shares' if timeline.others == 1 else 'trades share'}: no share of it can be"
            " told apart."
            if timeline.others
            else "; no other open trade shares it now."
        ),
    ]
    if timeline.has_earlier:
        parts.append("There are earlier moments: the link below the table leads to them.")
    if timeline.running is None:
        parts.append("The history is too long to be added up: what was open is not shown.")
    if timeline.orders_cut:
        parts.append("Fills are looked for by the ids of the newest orders only.")
    return " ".join(parts)


def _open_after(*, is_history: bool, after: object) -> str:
    if not is_history:
        return ""
    return _UNKNOWN if after is None else display.signed(after)  # type: ignore[arg-type]


def _held(timeline: Timeline, mark: Mark) -> str:
    if mark.source != TimelineSource.READING:
        return ""
    reading: ParityReading = timeline.row(mark)
    return _UNKNOWN if reading.actual_quantity is None else display.signed(reading.actual_quantity)


def sums_up(trade: Trade, timeline: Timeline) -> Iterator[Section]:
    """Yield a notice where the history does not add up to what the trade says."""
    if not timeline.running:
        return
    summed, said = timeline.running[-1].quantity, open_quantity(trade)
    if summed != said:
        yield Notice(
            level="error",
            sentence=(
                f"The history adds up to {display.signed(summed)}, and the trade says"
                f" {display.signed(said)}: one of them was changed by hand. Do not repair it with"
                " SQL; escalate it."
            ),
        )


def timeline_picture(
    trade: Trade, timeline: Timeline, *, conf: Conf, now: datetime
) -> Picture | None:
    """Return what was open here against what the exchange was read to hold; None for neither."""
    is_live = trade.status in LIVE_TRADE_STATUSES
    opened = (timeline.running or ())[-_DRAWN:]
    held, is_cut = load_held(trade, until=now)
    known = [*(each.at for each in opened), *(each.at for each in held)]
    until = now if is_live or not known else max(known)
    own = own_line(opened, until=until)
    theirs = exchange_line(
        held, holds_for=conf.interval * STALE_AFTER_INTERVALS, until=max([until, *known])
    )
    notes = [
        "A step is where a quantity changed. Where the dashed line is missing, nothing is known of"
        " the exchange: a reading that came to nothing, or none for longer than"
        f" {STALE_AFTER_INTERVALS} intervals. A heartbeat that found both sides equal leaves no"
        " reading."
    ]
    if is_cut or len(timeline.running or ()) > _DRAWN:
        notes.append(f"Only the latest {_DRAWN} are drawn.")
    return draw(
        title="Open quantity over time",
        says=_says(trade, opened, held),
        note=" ".join(notes),
        lines=[
            ("open here, this trade (solid)", "own", own),
            ("held at the exchange, the account's whole position (dashed)", "exchange", theirs),
        ],
        headings=["When (UTC)", "Side", "Quantity"],
        rows=_as_rows(opened, held),
    )


def _says(trade: Trade, opened: tuple[Open, ...], held: tuple[Held, ...]) -> str:
    here = (
        f"Open here last: {display.signed(opened[-1].quantity)}."
        if opened
        else "Nothing was booked here."
    )
    if not held:
        there = (
            "No heartbeat found this position other than equal while the trade lived, so there is"
            " no line of the exchange."
        )
    elif held[-1].quantity is None:
        there = "The last reading of the exchange came to nothing: UNKNOWN."
    else:
        there = f"Last read at the exchange: {display.signed(held[-1].quantity)}."
    return f"{trade.symbol}: {here} {there}"


def _as_rows(opened: tuple[Open, ...], held: tuple[Held, ...]) -> list[list[str]]:
    points = [
        *((each.at, "open here", display.signed(each.quantity)) for each in opened),
        *(
            (
                each.at,
                "at the exchange",
                _UNKNOWN if each.quantity is None else display.signed(each.quantity),
            )
            for each in held
        ),
    ]
    return [
        [display.moment_of_column(at), side, quantity]
        for at, side, quantity in sorted(points, key=lambda point: point[0])
    ]
