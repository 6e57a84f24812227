"""Candidates of the backfill: written with the exit that they are, or put before a person."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from reconciliation.clock import Clock
from reconciliation.domain.amounts import plain
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.books import CandidateState
from reconciliation.domain.keys import canonical_json
from reconciliation.domain.plans.changes import CandidateDraft
from reconciliation.enums import (
    WAITING_CANDIDATE_STATUSES,
    BackfillVerdict,
    CandidateStatus,
)
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.runs import fence_run
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import BackfillCandidate, ExchangeAccount
from reconciliation.selectors.lists import id_list

_JUDGED_FIELDS = (
    "profile_id",
    "trade_id",
    "status",
    "verdict",
    "reasons",
    "mode",
    "quantity",
    "evidence",
    "evidence_hash",
    "judged_at",
    "closed_at",
    "version",
)


def apply_queue(
    *,
    account: ExchangeAccount,
    run_id: int,
    claim_token: UUID,
    no_go: Sequence[CandidateDraft],
    moot: Sequence[CandidateState],
    actor: Actor,
    settings_hash: str,
    clock: Clock,
) -> None:
    """Put new NO_GO verdicts before a person, and take back what needs no answer any more.

    No profile's books are touched, so no lease is needed: the run's claim fences it. A candidate
    that somebody decided on in the meantime stays as it is.
    """
    if not no_go and not moot:
        return
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=settings_hash, run_id=run_id
    ) as unit:
        fence_run(run_id=run_id, claim_token=claim_token, clock=clock)
        versions = lock_candidates(
            [*(draft.known for draft in no_go if draft.known is not None), *moot]
        )

        def named(event: EventDraft) -> EventDraft:
            return replace(event, account=account.name)

        write_candidates(
            [draft for draft in no_go if _holds(draft.known, versions)],
            account_id=account.pk,
            run_id=run_id,
            unit=unit,
            named=named,
        )
        _supersede([each for each in moot if _holds(each, versions)], unit, named)


def lock_candidates(known: Sequence[CandidateState]) -> dict[int, int]:
    """Lock the rows of candidates; return their versions by id."""
    if not known:
        return {}
    rows = BackfillCandidate.objects.select_for_update(no_key=True).filter(
        pk__in=id_list(each.id for each in known)
    )
    return dict(rows.order_by("pk").values_list("pk", "version"))


def write_candidates(
    drafts: Sequence[CandidateDraft],
    *,
    account_id: int,
    run_id: int,
    unit: Unit,
    named: Callable[[EventDraft], EventDraft],
) -> None:
    """Write verdicts within a unit, those that are new and those that changed, with their events.

    Two statements however many they are. `named` adds profile and account to an event.
    """
    rows = {id(draft): _row(draft, account_id, run_id, unit) for draft in drafts}
    insert_rows(BackfillCandidate, [rows[id(d)] for d in drafts if d.known is None])
    update_rows(
        BackfillCandidate,
        [rows[id(d)] for d in drafts if d.known is not None],
        fields=_JUDGED_FIELDS,
    )
    for draft in drafts:
        unit.record(named(_event(draft, rows[id(draft)])))


def _holds(known: CandidateState | None, versions: dict[int, int]) -> bool:
    return known is None or versions.get(known.id) == known.version


def _row(draft: CandidateDraft, account_id: int, run_id: int, unit: Unit) -> BackfillCandidate:
    closed = draft.verdict == BackfillVerdict.GO
    return BackfillCandidate(
        pk=None if draft.known is None else draft.known.id,
        account_id=account_id,
        profile_id=None if draft.profile is None else draft.profile.id,
        fill_id=draft.fill_id,
        trade_id=draft.trade_id,
        status=draft.status,
        verdict=draft.verdict,
        reasons=[str(reason) for reason in draft.reasons],
        mode=draft.mode,
        exchange_initiated=draft.is_exchange_initiated,
        quantity=draft.quantity,
        evidence=storable(json.loads(canonical_json(draft.evidence))),
        evidence_hash=draft.hash,
        first_run_id=run_id,
        opened_at=unit.now,
        judged_at=unit.now,
        closed_at=unit.now if closed else None,
        version=1 if draft.known is None else draft.known.version + 1,
    )


def _event(draft: CandidateDraft, row: BackfillCandidate) -> EventDraft:
    """Return the event of a verdict: a NO_GO that waits already is only judged anew."""
    known = draft.known
    action = "backfill.no_go"
    if draft.verdict == BackfillVerdict.GO:
        action = "backfill.applied"
    elif known is not None and known.status in WAITING_CANDIDATE_STATUSES:
        action = "backfill.rejudged"
    return EventDraft(
        action=action,
        object_type="backfill",
        object_id=str(row.pk),
        profile="" if draft.profile is None else draft.profile.name,
        before={} if known is None else {"status": known.status, "evidence_hash": known.hash},
        after={
            "fill": draft.fill_id,
            "trade": draft.trade_id,
            "status": draft.status,
            "verdict": draft.verdict,
            "reasons": list(draft.reasons),
            "mode": draft.mode,
            "quantity": plain(draft.quantity),
            "evidence": draft.evidence,
        },
        evidence=(draft.hash,),
    )


def _supersede(
    moot: Sequence[CandidateState], unit: Unit, named: Callable[[EventDraft], EventDraft]
) -> None:
    update_rows(
        BackfillCandidate,
        [
            BackfillCandidate(
                pk=each.id,
                status=CandidateStatus.SUPERSEDED,
                closed_at=unit.now,
                version=each.version + 1,
            )
            for each in moot
        ],
        fields=("status", "closed_at", "version"),
    )
    for each in moot:
        unit.record(
            named(
                EventDraft(
                    action="backfill.superseded",
                    object_type="backfill",
                    object_id=str(each.id),
                    before={"status": each.status},
                    after={"fill": each.fill_id, "status": CandidateStatus.SUPERSEDED},
                    comment="no slice is left that this fill could close, or it is booked",
                    evidence=(each.hash,),
                )
            )
        )
