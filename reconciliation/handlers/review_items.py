"""Questions about slices: put before a person, and taken back when nothing is left to ask."""

import json
from collections.abc import Mapping, Sequence

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import TradeState
from reconciliation.domain.keys import canonical_json, evidence_hash
from reconciliation.domain.plans.changes import Change, ReviewDraft
from reconciliation.enums import (
    WAITING_REVIEW_STATUSES,
    QuarantineReason,
    ReviewStatus,
    TradeStatus,
)
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.targets import Target
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import Unit
from reconciliation.models import Decision, ReviewItem
from reconciliation.selectors.lists import id_list


def write_reviews(changes: Sequence[Change], *, target: Target, run_id: int, unit: Unit) -> None:
    """Put questions before a person; what was answered on the same evidence is not asked again.

    A question that waits already is shown its new evidence, if it is another: what somebody
    proposed on the old one has to be proposed again.
    """
    drafts = [draft for change in changes for draft in change.reviews]
    if not drafts:
        return
    known = ReviewItem.objects.select_for_update(no_key=True).filter(
        trade_id__in=id_list(draft.trade_id for draft in drafts)
    )
    items = list(known.order_by("pk"))
    reversed_ids = set(
        Decision.objects.filter(
            review_id__in=id_list(item.pk for item in items), reversed_by__isnull=False
        ).values_list("review_id", flat=True)
    )
    waiting = {
        (item.trade_id, item.reason): item
        for item in items
        if item.status in WAITING_REVIEW_STATUSES
    }
    answered = {
        (item.trade_id, item.evidence_hash)
        for item in items
        if _is_answer(item) and item.pk not in reversed_ids
    }
    new: dict[tuple[int, str], ReviewItem] = {}
    changed: dict[int, ReviewItem] = {}
    for draft in drafts:
        hashed = evidence_hash(draft.sameness or draft.evidence)
        key = (draft.trade_id, str(draft.reason))
        item = waiting.get(key)
        if item is not None and item.evidence_hash != hashed:
            changed.setdefault(item.pk, _with_evidence(item, draft, hashed))
        elif item is None and key not in new and (draft.trade_id, hashed) not in answered:
            new[key] = _new_item(draft, hashed, target, run_id, unit)
    rows = list(new.values())
    insert_rows(ReviewItem, rows)
    for row in rows:
        unit.record(
            target.named(
                EventDraft(
                    action="review.opened",
                    object_type="review",
                    object_id=str(row.pk),
                    after={"reason": row.reason, "trade": row.trade_id},
                    evidence=(row.evidence_hash,),
                )
            )
        )
    _write_changed(list(changed.values()), items, target, unit)


def _is_answer(item: ReviewItem) -> bool:
    """Return whether a person has said that the books are right as they are.

    What was exited is not: should the same difference come back, it is another one.
    """
    if item.status == ReviewStatus.APPROVED:
        return item.reason == QuarantineReason.OVERCLOSE
    return item.status == ReviewStatus.REJECTED


def _new_item(
    draft: ReviewDraft, hashed: str, target: Target, run_id: int, unit: Unit
) -> ReviewItem:
    return ReviewItem(
        account_id=target.account_id,
        profile_id=target.profile_id,
        status=ReviewStatus.PENDING,
        reason=draft.reason,
        trade_id=draft.trade_id,
        quantity=draft.quantity,
        evidence=storable(json.loads(canonical_json(draft.evidence))),
        evidence_hash=hashed,
        first_run_id=run_id,
        opened_at=unit.now,
    )


def _with_evidence(item: ReviewItem, draft: ReviewDraft, hashed: str) -> ReviewItem:
    return ReviewItem(
        pk=item.pk,
        status=ReviewStatus.PENDING,
        quantity=draft.quantity,
        evidence=storable(json.loads(canonical_json(draft.evidence))),
        evidence_hash=hashed,
        version=item.version + 1,
    )


def _write_changed(
    rows: Sequence[ReviewItem], items: Sequence[ReviewItem], target: Target, unit: Unit
) -> None:
    before = {item.pk: item for item in items}
    update_rows(
        ReviewItem, rows, fields=("status", "quantity", "evidence", "evidence_hash", "version")
    )
    for row in rows:
        old = before[row.pk]
        unit.record(
            target.named(
                EventDraft(
                    action="review.changed",
                    object_type="review",
                    object_id=str(row.pk),
                    before={"status": old.status, "evidence_hash": old.evidence_hash},
                    after={"status": row.status, "version": row.version},
                    comment="the evidence is another one",
                    evidence=(row.evidence_hash,),
                )
            )
        )


def supersede_reviews(changes: Sequence[Change], target: Target, unit: Unit) -> None:
    """Take back the questions about slices that are in quarantine no more, whoever closed them.

    What was exited beyond a slice is a question that its end does not answer.
    """
    trades = {
        change.trade.id: change.trade
        for change in changes
        if change.trade is not None and change.trade.status != TradeStatus.QUARANTINED
    }
    supersede_reviews_of(trades, target, unit)


def supersede_reviews_of(trades: Mapping[int, TradeState], target: Target, unit: Unit) -> None:
    """Take back the questions about slices, by id, that are in quarantine no more."""
    if not trades:
        return
    items = list(
        ReviewItem.objects.select_for_update(no_key=True)
        .waiting()
        .filter(trade_id__in=id_list(trades))
        .exclude(reason=QuarantineReason.OVERCLOSE)
        .order_by("pk")
    )
    before = {item.pk: item.status for item in items}
    for item in items:
        item.status, item.closed_at = ReviewStatus.SUPERSEDED, unit.now
        item.version += 1
    update_rows(ReviewItem, items, fields=("status", "closed_at", "version"))
    for item in items:
        trade = trades[item.trade_id]
        unit.record(
            target.named(
                EventDraft(
                    action="review.superseded",
                    object_type="review",
                    object_id=str(item.pk),
                    before={"status": before[item.pk]},
                    after={"status": item.status, "trade": trade.trade_id},
                    comment=f"the slice is {trade.status} now",
                    evidence=(item.evidence_hash,),
                )
            )
        )
