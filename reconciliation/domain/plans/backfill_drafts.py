"""What the plans of missed exits say of themselves: candidates, audit events, mismatches."""

from collections.abc import Mapping
from dataclasses import replace

from reconciliation.domain.amounts import plain
from reconciliation.domain.attribution import Attribution, Conflict
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.backfill import BackfillPolicy, FillCase, Judgement
from reconciliation.domain.books import CandidateState, OrderState, ProfileState, TradeState
from reconciliation.domain.id_patterns import ClientOrderIdPattern
from reconciliation.domain.keys import evidence_hash
from reconciliation.domain.plans.booking import Booking
from reconciliation.domain.plans.changes import CandidateDraft, Change, MismatchDraft
from reconciliation.domain.plans.evidence import fill_as_evidence, trade_as_evidence
from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import (
    WAITING_CANDIDATE_STATUSES,
    AuditOutcome,
    BackfillVerdict,
    CandidateStatus,
    Side,
)

BACKFILLED = "its fills are booked as the exit that they prove to be"


def draft_candidate(
    case: FillCase,
    evidence: ExchangeFill,
    judgement: Judgement,
    *,
    profile: ProfileState | None,
    policy: BackfillPolicy,
    pattern: ClientOrderIdPattern | None,
    known: CandidateState | None,
) -> CandidateDraft:
    """Return the row of a verdict. A GO that had waited before supersedes the question."""
    status = CandidateStatus.PENDING
    if judgement.verdict == BackfillVerdict.GO:
        waited = known is not None and known.status in WAITING_CANDIDATE_STATUSES
        status = CandidateStatus.SUPERSEDED if waited else CandidateStatus.APPLIED
    settings: dict[str, object] = {
        "require_strong_attribution": policy.require_strong,
        "allow_heuristic_match": policy.allow_heuristic,
        "fill_after_trade_grace_s": int(policy.stale_grace.total_seconds()),
        "client_order_id_pattern": None if pattern is None else pattern.text,
    }
    return CandidateDraft(
        fill_id=case.kept.id,
        profile=profile,
        trade_id=None if judgement.trade is None else judgement.trade.id,
        status=status,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        mode=judgement.mode,
        is_exchange_initiated=case.is_exchange_initiated,
        quantity=case.kept.remaining,
        evidence={
            "fill": {**fill_as_evidence(evidence), "trade_hint": evidence.trade_hint},
            "owner": _owner(case),
            "slices": [_slice(trade) for trade in (*case.slices, *case.closed_synthetically)],
            "suggestions": _suggestions(judgement),
            "settings": settings,
            "amount_step": case.amount_step,
        },
        hash=evidence_hash(_essence(case, evidence, judgement, settings)),
        known=known,
    )


def _essence(
    case: FillCase,
    evidence: ExchangeFill,
    judgement: Judgement,
    settings: Mapping[str, object],
) -> dict[str, object]:
    """Return what makes evidence the same: no times and no prices."""
    left = case.kept.remaining
    trades = (*case.slices, *case.closed_synthetically)
    return {
        "kind": evidence.kind,
        "drift": left if evidence.side == Side.BUY else -left,
        "fill": [evidence.symbol, evidence.side, evidence.position_side, evidence.fill_id],
        "says": [evidence.client_order_id, evidence.trade_hint, evidence.sub_tag],
        "owner": _owner(case),
        "slices": [[t.trade_id, t.status, case.room[t.id]] for t in trades],
        "verdict": [judgement.verdict, judgement.mode, judgement.reasons],
        "trade": None if judgement.trade is None else judgement.trade.trade_id,
        "suggestions": _suggestions(judgement),
        "settings": settings,
    }


def applied_event(
    before: TradeState, booking: Booking, evidence: ExchangeFill, judgement: Judgement
) -> EventDraft:
    """Return the event of a fill that was booked as the exit of a trade."""
    shown = fill_as_evidence(evidence)
    return EventDraft(
        action="trade.exit_filled",
        outcome=AuditOutcome.APPLIED,
        object_type="trade",
        object_id=str(before.id),
        before={"trade": trade_as_evidence(before)},
        after={
            "trade": trade_as_evidence(booking.trade),
            "fills": [shown],
            "mode": judgement.mode,
            "booked": [
                {"kind": row.kind, "source": row.source, "quantity": plain(row.quantity)}
                for row in booking.history
            ],
        },
        evidence=(evidence_hash(shown),),
    )


def resolve_mismatch(change: Change, order: OrderState) -> Change:
    """Return a change in which an order without a trade lacks nothing any more.

    Its fills had nowhere to go, and are booked to the trade that they prove to be of.
    """
    return replace(
        change,
        mismatches=tuple(
            replace(
                draft,
                exchange_side={**draft.exchange_side, "problem": None},
                resolution=BACKFILLED,
            )
            if _is_open_of(draft, order)
            else draft
            for draft in change.mismatches
            # An order that is only adopted now has never lacked anything.
            if order.id > 0 or not _is_open_of(draft, order)
        ),
        events=tuple(
            event
            for event in change.events
            if event.action != "handler.refused" or event.object_id != str(order.id)
        ),
    )


def _is_open_of(draft: MismatchDraft, order: OrderState) -> bool:
    return draft.order_id == order.id and draft.resolution is None


def _owner(case: FillCase) -> dict[str, object]:
    """Return in words whose the fill is by its own evidence."""
    owner = case.owner
    if case.is_strangers:
        return {"conflict": "the client order id is of a profile that is not on this account"}
    if isinstance(owner, Conflict):
        return {"conflict": owner.sentence}
    if not isinstance(owner, Attribution):
        return {}
    return {
        "profile": owner.profile.name,
        "mode": owner.mode,
        "purpose": owner.purpose,
        "trade": None if owner.trade is None else owner.trade.trade_id,
    }


def _slice(trade: TradeState) -> dict[str, object]:
    return {**trade_as_evidence(trade), "open_quantity": plain(trade.open_quantity)}


def _suggestions(judgement: Judgement) -> list[dict[str, object]]:
    return [{"mode": each.mode, "trade": each.trade.trade_id} for each in judgement.suggestions]
