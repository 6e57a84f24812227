"""What a request asks: the account as it is, the query and the clocks; and how its rows return."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from reconciliation.exchange.paper.answers import (
    Row,
    no_such_instrument,
    parameter_error,
    parameter_missing,
)
from reconciliation.exchange.paper.paging import Page
from reconciliation.exchange.paper.records import PaperInstrument
from reconciliation.exchange.paper.store import AccountView
from reconciliation.exchange.paper.units import instrument_id

INSTRUMENT_TYPES = ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the exchange keeps what; the defaults are its own.

    A canceled order without a fill is forgotten first, also by its id. Where its cancel time is
    not given it is kept.
    """

    unfilled_cancels: timedelta = timedelta(hours=2)
    orders: timedelta = timedelta(days=7)
    orders_archive: timedelta = timedelta(days=90)
    fills: timedelta = timedelta(days=3)
    fills_history: timedelta = timedelta(days=90)
    bills: timedelta = timedelta(days=7)
    bills_archive: timedelta = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Question:
    """One request: the account as it is now, the query, the data's clock and the wall clock."""

    view: AccountView
    query: Mapping[str, str]
    now: datetime
    wall_ms: int
    retention: Retention

    def get(self, name: str) -> str | None:
        return self.query.get(name) or None

    def require(self, name: str) -> str:
        value = self.get(name)
        if value is None:
            raise parameter_missing(name)
        return value


Handler = Callable[[Question], Page[Row]]


def single(row: Row) -> Page[Row]:
    return Page((row,), has_more=False)


def whole(rows: list[Row]) -> Page[Row]:
    return Page(tuple(rows), has_more=False)


def instruments_of(
    question: Question, *, type_required: bool = False, spot_type: str = "SPOT"
) -> list[PaperInstrument]:
    """Return the markets that `instType` and `instId` (comma-separated) leave."""
    wanted_type = question.require("instType") if type_required else question.get("instType")
    if wanted_type is not None and wanted_type not in INSTRUMENT_TYPES:
        raise parameter_error("instType")
    by_id = {instrument_id(each): each for each in question.view.instruments.values()}
    names = question.get("instId")
    wanted_ids = list(by_id) if names is None else names.split(",")
    if any(each not in by_id for each in wanted_ids):
        raise no_such_instrument()
    chosen = [by_id[each] for each in wanted_ids]
    types = {True: "SWAP", False: spot_type}
    return [each for each in chosen if wanted_type in (None, types[each.is_swap])]


def symbols_of(question: Question) -> frozenset[str]:
    return frozenset(each.symbol for each in instruments_of(question))


def is_among(value: str, wanted: str | None) -> bool:
    """Return whether a filter, absent or comma-separated, lets a value through."""
    return wanted is None or value in wanted.split(",")
