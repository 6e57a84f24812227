"""Deliver rows: each is read, judged and answered by itself."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest
from ninja import Field, Router, Schema
from pydantic import BaseModel, ConfigDict

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.domain.deliveries import Delivery
from reconciliation.enums import DeliveryOutcome
from reconciliation.handlers.deliveries import RowReport, deliver
from reconciliation.handlers.texts import storable
from reconciliation.web.api.auth import address_of, caller_of
from reconciliation.web.api.body import MAX_BODY_BYTES, read_object
from reconciliation.web.api.errors import ApiError, request_id_of
from reconciliation.web.api.responses import errors
from reconciliation.web.api.rows import (
    KINDS,
    HistoryRow,
    OrderRow,
    PositionRow,
    TradeRow,
    Unreadable,
    read_row,
    ref_of,
)

MAX_ROWS = 1000
_LONGEST_REASON = 500
router = Router(tags=["deliveries"])


class DeliveryBody(BaseModel):
    """Rows of one account, judged in this order. The whole holds at most 1,000."""

    model_config = ConfigDict(extra="forbid")

    trades: list[TradeRow] = Field([], max_length=MAX_ROWS)
    orders: list[OrderRow] = Field([], max_length=MAX_ROWS)
    history: list[HistoryRow] = Field([], max_length=MAX_ROWS)
    positions: list[PositionRow] = Field([], max_length=MAX_ROWS)


class RowAnswer(Schema):
    """The answer to one row."""

    kind: Literal["trade", "order", "history", "position"]
    index: int = Field(description="Where the row stands in its list, from 0.")
    ref: str = Field(description="Your own id of the row.")
    outcome: DeliveryOutcome
    field: str = Field(description="The field that a refusal is about, `row` for all of it.")
    reason: str = Field(description="Why a row was refused; empty for the others.")


class DeliveryAnswer(Schema):
    """The answers to all rows, in the order of the request, and how many had which outcome."""

    rows: list[RowAnswer]
    accepted: int
    unchanged: int
    merged: int
    refused: int


@router.post(
    "/accounts/{account}/deliveries",
    response={200: DeliveryAnswer, **errors(400, 403, 413, 415)},
    summary="Deliver rows",
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": f"At most {MAX_ROWS} rows and {MAX_BODY_BYTES} bytes.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/DeliveryBody"}}
            },
        }
    },
)
def deliver_rows(request: HttpRequest, account: str) -> dict[str, object]:
    """Take the bot's own rows. A row that cannot be taken is refused alone, within a 200."""
    caller = caller_of(request)
    caller.require_account(account)
    sections = _read_sections(request)
    read: dict[str, list[Any]] = {}
    places: dict[str, list[int]] = {}
    unreadable: list[RowReport] = []
    for section, values in sections.items():
        kind = KINDS[section][0]
        read[section], places[kind] = [], []
        for index, value in enumerate(values):
            try:
                read[section].append(read_row(section, value))
                places[kind].append(index)
            except Unreadable as error:
                unreadable.append(
                    RowReport(
                        kind=kind,
                        index=index,
                        ref=storable(ref_of(section, value)),
                        outcome=DeliveryOutcome.REFUSED,
                        reason=str(error),
                    )
                )
    report = deliver(
        delivery=Delivery(account=account, **{name: tuple(rows) for name, rows in read.items()}),
        actor=caller.actor,
        clock=SystemClock(),
        conf=conf.require(settings.RECON_ENVIRON),
        scope=caller.profiles.keys(),
        unreadable=unreadable,
        request_id=request_id_of(request),
        ip=address_of(request),
    )
    answers = [
        *((each, each.index) for each in unreadable),
        *((each, places[each.kind][each.index]) for each in report.rows),
    ]
    return _answer(answers)


def _read_sections(request: HttpRequest) -> Mapping[str, list[Any]]:
    """Return the rows of each section, unread; raises `ApiError` for what is no delivery."""
    given = read_object(request)
    for name, values in given.items():
        if name not in KINDS:
            raise ApiError(400, name, f"is none of {', '.join(KINDS)}")
        if not isinstance(values, list):
            raise ApiError(400, name, "is not a list of rows")
    sections = {name: given.get(name, []) for name in KINDS}
    count = sum(map(len, sections.values()))
    if count > MAX_ROWS:
        raise ApiError(
            413, "body", f"holds {count} rows; deliver at most {MAX_ROWS} in one request"
        )
    return sections


def _answer(answers: Iterable[tuple[RowReport, int]]) -> dict[str, object]:
    order = [kind for kind, _, _ in KINDS.values()]
    rows = []
    for report, index in sorted(answers, key=lambda each: (order.index(each[0].kind), each[1])):
        field, _, reason = report.reason.partition(": ")
        rows.append(
            {
                "kind": report.kind,
                "index": index,
                "ref": storable(report.ref),
                "outcome": report.outcome,
                "field": storable(field),
                "reason": storable(reason[:_LONGEST_REASON]),
            }
        )
    counts = {
        outcome.value: sum(row["outcome"] == outcome for row in rows) for outcome in DeliveryOutcome
    }
    return {"rows": rows, **counts}
