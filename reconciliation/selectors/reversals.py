"""What a decision has written and is still in force: what taking it back would touch."""

from decimal import Decimal

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.plans.decision_reversals import Consumed, ExitRow, ReversalQuestion
from reconciliation.enums import HistoryKind, HistorySource
from reconciliation.models import Decision, Fill, FillAllocation, Trade, TradeHistory
from reconciliation.selectors.decisions import Subject
from reconciliation.selectors.lists import id_list
from reconciliation.selectors.states import trade_state


def load_decision(decision_id: int) -> Decision | None:
    """Return a decision with what it was about."""
    related = (
        "review__account",
        "review__profile",
        "review__trade__profile",
        "candidate__account",
        "candidate__profile",
        "candidate__fill",
        "mismatch__account",
        "mismatch__profile",
    )
    return Decision.objects.select_related(*related).filter(pk=decision_id).first()


def subject_of(decision: Decision) -> Subject | None:
    """Return what a decision on a queue was about, None for one on something else."""
    row = decision.review or decision.candidate or decision.mismatch
    if row is None:
        return None
    held = decision.terms.get("slice")
    trade = None
    if held is not None:
        trade = Trade.objects.select_related("profile").filter(pk=held).first()
    return Subject(row=row, trade=trade)


def load_reversal(decision: Decision) -> ReversalQuestion:
    """Return the exits in force of the trades that a decision exited, and their fills."""
    own = TradeHistory.objects.filter(decision=decision, kind=HistoryKind.EXIT)
    trade_ids = set(own.values_list("trade_id", flat=True))
    rows = list(
        TradeHistory.objects.filter(
            trade_id__in=id_list(trade_ids),
            kind=HistoryKind.EXIT,
            booked_quantity__gt=0,
            reversed_by__isnull=True,
        ).order_by("pk")
    )
    mine = {row.pk for row in rows if row.decision_id == decision.pk}
    touched = {row.trade_id for row in rows if row.pk in mine}
    aside = Fill.objects.filter(pk__in=id_list(decision.terms.get("set_aside", [])))
    return ReversalQuestion(
        trades=tuple(trade_state(row) for row in Trade.objects.filter(pk__in=id_list(touched))),
        exits=tuple(
            ExitRow(
                id=row.pk,
                trade_id=row.trade_id,
                source=HistorySource(row.source),
                quantity=row.booked_quantity,
                price=row.price,
                is_mine=row.pk in mine,
            )
            for row in rows
        ),
        consumed=_consumed(mine),
        set_aside=tuple(aside.filter(set_aside=True).order_by("pk").values_list("pk", flat=True)),
    )


def _consumed(history_ids: set[int]) -> tuple[Consumed, ...]:
    """Return what of fills the rows have consumed and not given back."""
    parts: dict[tuple[int, int], Decimal] = {}
    allocated: dict[int, Decimal] = {}
    rows = FillAllocation.objects.filter(history_id__in=id_list(history_ids)).order_by("pk")
    for row in rows.select_related("fill"):
        key = (row.fill_id, row.history_id)
        sign = -row.quantity if row.released else row.quantity
        parts[key] = parts.get(key, ZERO) + sign
        allocated[row.fill_id] = row.fill.allocated_quantity
    return tuple(
        Consumed(
            fill_id=fill_id,
            history_id=history_id,
            quantity=quantity,
            allocated=allocated[fill_id],
        )
        for (fill_id, history_id), quantity in parts.items()
        if quantity > 0
    )
