"""Mismatches: opened, seen again, resolved; each with both sides as they were read."""

import json
from collections.abc import Callable
from typing import Any

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.keys import canonical_json, evidence_hash
from reconciliation.domain.plans.changes import MismatchDraft
from reconciliation.domain.plans.mismatches import MismatchPlan
from reconciliation.enums import MismatchStatus
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit
from reconciliation.models import Mismatch, MismatchSighting
from reconciliation.selectors.lists import id_list


def write_mismatches(
    *,
    plan: MismatchPlan,
    account_id: int,
    run_id: int,
    unit: Unit,
    named: Callable[[EventDraft], EventDraft],
) -> None:
    """Write a plan within a unit; the number of statements does not depend on their number.

    `named` adds profile and account to an event.
    """
    now = unit.now
    rows = [_new_row(draft, account_id, run_id, unit) for draft in plan.new]
    # What was accepted and is another one now gives up its key before the new one takes it.
    _resolve(plan, unit, named)
    insert_rows(Mismatch, rows)
    insert_rows(
        MismatchSighting,
        [
            MismatchSighting(
                mismatch=row,
                count=1,
                not_found_count=draft.not_found_count,
                last_run_id=run_id,
                last_seen_at=now,
                **_seen_by_heartbeat(draft),
            )
            for row, draft in zip(rows, plan.new, strict=True)
        ],
    )
    for row in rows:
        action = "mismatch.opened" if row.status == MismatchStatus.OPEN else "mismatch.repaired"
        unit.record(
            named(
                _event(
                    action,
                    row.pk,
                    row.kind,
                    row.key,
                    row.evidence_hash,
                    row.resolution or str(row.exchange_side.get("problem") or ""),
                )
            )
        )
    _see_again(plan, run_id, unit)
    if plan.found:
        MismatchSighting.objects.filter(
            mismatch_id__in=id_list(mismatch.id for mismatch in plan.found)
        ).update(not_found_count=0)


def _new_row(draft: MismatchDraft, account_id: int, run_id: int, unit: Unit) -> Mismatch:
    sides = {"database": draft.database_side, "exchange": draft.exchange_side}
    text = canonical_json(sides)
    plain = storable(json.loads(text))
    resolved = draft.resolution is not None
    return Mismatch(
        account_id=account_id,
        profile_id=draft.profile_id,
        trade_id=draft.trade_id,
        order_id=draft.order_id,
        kind=draft.kind,
        key=draft.key,
        symbol=draft.symbol,
        status=MismatchStatus.RESOLVED if resolved else MismatchStatus.OPEN,
        drift=draft.drift,
        database_side=plain["database"],
        exchange_side=plain["exchange"],
        evidence_hash=evidence_hash(sides if draft.sameness is None else draft.sameness),
        first_run_id=run_id,
        opened_at=unit.now,
        closed_at=unit.now if resolved else None,
        resolution=draft.resolution or "",
    )


def _resolve(plan: MismatchPlan, unit: Unit, named: Callable[[EventDraft], EventDraft]) -> None:
    resolved = [
        *((mismatch, draft.resolution or "") for mismatch, draft in plan.repaired),
        *((mismatch, "both sides agree again") for mismatch in plan.gone),
    ]
    update_rows(
        Mismatch,
        [
            Mismatch(
                pk=mismatch.id,
                status=MismatchStatus.RESOLVED,
                closed_at=unit.now,
                resolution=resolution,
            )
            for mismatch, resolution in resolved
        ],
        fields=["status", "closed_at", "resolution"],
    )
    for mismatch, resolution in resolved:
        event = _event(
            "mismatch.resolved", mismatch.id, mismatch.kind, mismatch.key, "", resolution
        )
        unit.record(named(event))


def _see_again(plan: MismatchPlan, run_id: int, unit: Unit) -> None:
    seen = {mismatch.id: draft for mismatch, draft in plan.again}
    sightings = list(MismatchSighting.objects.filter(mismatch_id__in=id_list(seen))) if seen else []
    for sighting in sightings:
        sighting.count += 1
        sighting.not_found_count = seen[sighting.mismatch_id].not_found_count
        sighting.last_run_id = run_id
        sighting.last_seen_at = unit.now
        for name, value in _seen_by_heartbeat(seen[sighting.mismatch_id]).items():
            setattr(sighting, name, value)
    update_rows(
        MismatchSighting,
        sightings,
        fields=[
            "count",
            "not_found_count",
            "last_run_id",
            "last_seen_at",
            "streak",
            "quantity",
            "mark",
            "notional_usd",
        ],
    )


def _seen_by_heartbeat(draft: MismatchDraft) -> dict[str, Any]:
    seen = draft.sighting
    if seen is None:
        return {}
    return {
        "streak": seen.streak,
        "quantity": seen.quantity,
        "mark": seen.mark,
        "notional_usd": seen.notional_usd,
    }


def _event(
    action: str, mismatch_id: int, kind: str, key: str, evidence: str, comment: str = ""
) -> EventDraft:
    return EventDraft(
        action=action,
        object_type="mismatch",
        object_id=str(mismatch_id),
        after={"kind": kind, "key": key},
        comment=comment,
        evidence=(evidence,) if evidence else (),
    )
