"""The trading gate: what a bot asks before it sends an order."""

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Field, Router, Schema
from pydantic import WithJsonSchema

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.enums import GateReason
from reconciliation.selectors.gate import gate_answer, load_gate
from reconciliation.web.api.auth import caller_of
from reconciliation.web.api.responses import errors

router = Router(tags=["profiles"])
MomentText = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]


class SymbolGateAnswer(Schema):
    """A symbol in which the profile may do less than elsewhere."""

    symbol: str
    exits_allowed: bool
    reduce_only: bool = Field(description="Exits must be sent as reduce-only orders.")
    max_exit_quantity: str = Field(
        description="The largest quantity of all exits together, in base units."
    )
    reasons: list[GateReason]


class GateAnswer(Schema):
    """Whether one profile may trade now."""

    profile: str
    entries_allowed: bool = Field(description="True where there is no reason at all.")
    exits_allowed: bool = Field(description="In every symbol that `symbols` does not name.")
    reasons: list[GateReason]
    symbols: list[SymbolGateAnswer]
    as_of: MomentText = Field(description="The moment that the answer holds for.")
    retry_after_ms: int | None = Field(
        description="When to ask again; null where nothing is forbidden."
    )


@router.get(
    "/profiles/{name}/gate",
    response={200: GateAnswer, **errors(403)},
    summary="May one profile trade now",
)
def show_gate(request: HttpRequest, name: str) -> dict[str, Any]:
    """Return whether a profile of the key may enter and exit now, and why not."""
    profile = caller_of(request).require_profile(name)
    gate, as_of = load_gate(profile, conf=conf.require(settings.RECON_ENVIRON), clock=SystemClock())
    return gate_answer(profile.name, gate, as_of)
