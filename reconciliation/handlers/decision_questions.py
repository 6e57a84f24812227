"""What a decision does to the question itself: item or candidate, and its mismatches."""

from collections.abc import Callable

from reconciliation.domain.audit import EventDraft
from reconciliation.enums import (
    PARITY_MISMATCH_KINDS,
    CandidateStatus,
    DecisionRefusal,
    MismatchStatus,
    ReviewStatus,
)
from reconciliation.handlers.bulk import update_rows
from reconciliation.handlers.decision_desk import Refused
from reconciliation.handlers.unit import Unit
from reconciliation.models import BackfillCandidate, Mismatch, ReviewItem, Trade
from reconciliation.selectors.decisions import Subject

Status = ReviewStatus | CandidateStatus


def state_of(subject: Subject) -> dict[str, object]:
    """Return what an event shows of a question."""
    return {"status": subject.row.status, "version": subject.version}


def look_again(subject: Subject) -> Callable[[], None]:
    """Return the check that a question is, once locked, what it was when it was planned on."""

    def look() -> None:
        model = type(subject.row)
        row = model.objects.select_for_update(no_key=True).get(pk=subject.row.pk)
        fresh = Subject(row=row, trade=subject.trade)
        if fresh.is_waiting != subject.is_waiting:
            raise Refused(
                DecisionRefusal.DECIDED_ALREADY, f"it is {row.status} by now; load the page again"
            )
        if state_of(fresh) != state_of(subject):
            raise Refused(
                DecisionRefusal.CONFLICT, "it has changed in the meantime; load the page again"
            )

    return look


def set_status(
    unit: Unit, subject: Subject, status: Status, *, chosen: int | None = None
) -> dict[str, object]:
    """Write the status of an item or a candidate; return what the event shows of it after.

    `chosen` is the slice that a person named for a fill.
    """
    row = subject.row
    is_open = status in (ReviewStatus.PENDING, ReviewStatus.PROPOSED)
    closed_at = None if is_open else unit.now
    if isinstance(row, ReviewItem):
        after = ReviewItem(pk=row.pk, status=status, closed_at=closed_at, version=row.version + 1)
        update_rows(ReviewItem, [after], fields=("status", "closed_at", "version"))
        return {"status": status, "version": after.version, "trade": row.trade.trade_id}
    if isinstance(row, BackfillCandidate):
        trade = None if chosen is None else Trade.objects.get(pk=chosen)
        candidate = BackfillCandidate(
            pk=row.pk,
            status=status,
            closed_at=closed_at,
            version=row.version + 1,
            trade_id=row.trade_id if trade is None else trade.pk,
            profile_id=row.profile_id if trade is None else trade.profile_id,
        )
        update_rows(
            BackfillCandidate,
            [candidate],
            fields=("status", "closed_at", "version", "trade_id", "profile_id"),
        )
        return {
            "status": status,
            "version": candidate.version,
            "fill": row.fill.exchange_fill_id,
            "trade": None if trade is None else trade.trade_id,
        }
    return {"status": row.status, "symbol": row.symbol}


def answer_mismatches(
    unit: Unit, subject: Subject, *, old: MismatchStatus, new: MismatchStatus, why: str
) -> None:
    """Resolve, accept or open again what the heartbeat holds against the slice of an item."""
    row = subject.row
    if isinstance(row, Mismatch):
        rows = [row]
    elif isinstance(row, ReviewItem):
        found = Mismatch.objects.select_for_update(no_key=True).filter(
            account_id=row.account_id,
            trade_id=row.trade_id,
            kind__in=sorted(PARITY_MISMATCH_KINDS),
            status=old,
        )
        rows = list(found.order_by("pk"))
    else:
        return
    resolved = new == MismatchStatus.RESOLVED
    for each in rows:
        each.status = new
        each.closed_at = unit.now if resolved else None
        each.resolution = why[:160]
    update_rows(Mismatch, rows, fields=("status", "closed_at", "resolution"))
    actions = {
        MismatchStatus.RESOLVED: "mismatch.resolved",
        MismatchStatus.ACCEPTED: "mismatch.accepted",
        MismatchStatus.OPEN: "mismatch.reopened",
    }
    for each in rows:
        unit.record(
            EventDraft(
                action=actions[new],
                object_type="mismatch",
                object_id=str(each.pk),
                profile="" if subject.profile is None else subject.profile.name,
                account=subject.account.name,
                before={"status": old},
                after={"status": new, "kind": each.kind, "key": each.key},
                comment=why,
                evidence=(each.evidence_hash,) if each.evidence_hash else (),
            )
        )
