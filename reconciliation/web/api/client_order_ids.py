"""The deterministic client order id of an order, for bots that would rather ask than build it."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from reconciliation.domain.keys import (
    MAX_SEQUENCE,
    client_order_id,
    parse_client_order_id,
)
from reconciliation.enums import Purpose
from reconciliation.models import Profile
from reconciliation.web.api.auth import Caller, caller_of, deny
from reconciliation.web.api.errors import ApiError
from reconciliation.web.api.responses import errors

router = Router(tags=["client order ids"])
Name = Annotated[
    str | None,
    Query(
        min_length=1,
        max_length=64,
        description="One of both, where the key is for several profiles.",
    ),
]


class ClientOrderIdAnswer(Schema):
    """An id, and the parts that it is made of."""

    client_order_id: str
    sub_tag: str
    trade_id: str
    purpose: Purpose
    sequence: int
    profile_code: str = Field(description="By what the id names the profile.")
    trade_code: str = Field(description="By what the id names the trade.")


@router.get(
    "/client-order-id",
    response={200: ClientOrderIdAnswer, **errors(403, 422)},
    summary="Client order id of an order",
)
def show_client_order_id(
    request: HttpRequest,
    trade_id: Annotated[str, Query(min_length=1, max_length=64)],
    purpose: Purpose,
    sequence: Annotated[int, Query(ge=1, le=MAX_SEQUENCE)] = 1,
    profile: Name = None,
    sub_tag: Name = None,
) -> dict[str, Any]:
    """Return the id of the order that a profile of the key places for a trade."""
    owner = _owner(caller_of(request), profile, sub_tag)
    made = client_order_id(
        sub_tag=owner.sub_tag, trade_id=trade_id, purpose=purpose, sequence=sequence
    )
    parts = parse_client_order_id(made)
    if parts is None:
        raise ValueError(f"{made!r} is not read back as the id that it is")
    return {
        "client_order_id": made,
        "sub_tag": owner.sub_tag,
        "trade_id": trade_id,
        "purpose": purpose,
        "sequence": sequence,
        "profile_code": parts.profile_code,
        "trade_code": parts.trade_code,
    }


def _owner(caller: Caller, name: str | None, sub_tag: str | None) -> Profile:
    """Return the profile of the key that is named; raises 403, audited, for any other.

    A key of one profile need not name it; a name and a sub tag have to be of the same one.
    """
    found = list(caller.profiles.values())
    if name is not None:
        found = [caller.require_profile(name)]
    if sub_tag is not None:
        named = [profile for profile in found if profile.sub_tag == sub_tag]
        if not named:
            own = ", ".join(profile.sub_tag for profile in found)
            raise deny(caller.request, caller.key, 403, "sub_tag", f"this key is for {own}")
        found = named
    if len(found) > 1:
        own = ", ".join(caller.profiles)
        raise ApiError(422, "profile", f"name one of the profiles of this key: {own}")
    return found[0]
