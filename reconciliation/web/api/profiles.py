"""What a bot may read: the status of its own profiles, and their open mismatches."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema
from pydantic import WithJsonSchema

from reconciliation.domain.amounts import plain
from reconciliation.domain.keys import iso_utc
from reconciliation.enums import MismatchKind
from reconciliation.models import Mismatch
from reconciliation.selectors.profiles import ProfileStatus, load_statuses, open_mismatches
from reconciliation.web.api.auth import caller_of
from reconciliation.web.api.responses import errors

router = Router(tags=["profiles"])
MAX_PAGE = 200
_LARGEST_ID = 2**63 - 1
MomentText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class ProfileAnswer(Schema):
    """How one profile stands."""

    name: str
    account: str
    sub_tag: str
    enabled: bool
    allocated_capital_usd: str
    open_trades: int = Field(description="Trades that may hold a quantity.")
    open_mismatches: int
    last_reconciliation_at: MomentText | None = Field(
        description="When the last cycle ended that read everything; null before the first."
    )


class ProfilesAnswer(Schema):
    """The profiles of the key."""

    profiles: list[ProfileAnswer]


class MismatchAnswer(Schema):
    """One difference between the books and the exchange that is open."""

    id: int
    kind: MismatchKind
    symbol: str
    trade_id: str | None
    client_order_id: str | None
    exchange_order_id: str | None
    drift: str | None = Field(description="Exchange − books, in base units; null where unknown.")
    opened_at: MomentText


class MismatchesAnswer(Schema):
    """A page of open mismatches, oldest first."""

    mismatches: list[MismatchAnswer]
    next_after: int | None = Field(description="`after` of the next page; null on the last one.")


@router.get("/profiles", response={200: ProfilesAnswer, **errors()}, summary="Profiles of the key")
def list_profiles(request: HttpRequest) -> dict[str, Any]:
    """Return how each profile of the key stands."""
    statuses = load_statuses(caller_of(request).profiles.values())
    return {"profiles": [_profile(status) for status in statuses]}


@router.get("/profiles/{name}", response={200: ProfileAnswer, **errors(403)}, summary="One profile")
def show_profile(request: HttpRequest, name: str) -> dict[str, Any]:
    """Return how one profile of the key stands."""
    (status,) = load_statuses([caller_of(request).require_profile(name)])
    return _profile(status)


@router.get(
    "/profiles/{name}/mismatches",
    response={200: MismatchesAnswer, **errors(403, 422)},
    summary="Open mismatches of one profile",
)
def list_mismatches(
    request: HttpRequest,
    name: str,
    after: Annotated[int, Query(ge=0, le=_LARGEST_ID, description="`next_after` of a page.")] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> dict[str, Any]:
    """Return the mismatches of a profile that are open, a page of them."""
    profile = caller_of(request).require_profile(name)
    rows = open_mismatches(profile=profile, after=after, limit=limit + 1)
    page = rows[:limit]
    return {
        "mismatches": [_mismatch(row) for row in page],
        "next_after": page[-1].pk if len(rows) > limit else None,
    }


def _profile(status: ProfileStatus) -> dict[str, Any]:
    profile, finished = status.profile, status.last_reconciliation_at
    return {
        "name": profile.name,
        "account": profile.account.name,
        "sub_tag": profile.sub_tag,
        "enabled": profile.enabled,
        "allocated_capital_usd": plain(profile.allocated_capital_usd),
        "open_trades": status.open_trades,
        "open_mismatches": status.open_mismatches,
        "last_reconciliation_at": None if finished is None else iso_utc(finished),
    }


def _mismatch(row: Mismatch) -> dict[str, Any]:
    return {
        "id": row.pk,
        "kind": row.kind,
        "symbol": row.symbol,
        "trade_id": None if row.trade is None else row.trade.trade_id,
        "client_order_id": None if row.order is None else row.order.client_order_id,
        "exchange_order_id": None if row.order is None else row.order.exchange_order_id,
        "drift": None if row.drift is None else plain(row.drift),
        "opened_at": iso_utc(row.opened_at),
    }
