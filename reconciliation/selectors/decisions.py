"""What a decision rests on: the question, its evidence and its age, and the plan of an answer.

A preview shows the very plan that a decision writes; nothing here opens a transaction or writes.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from reconciliation.domain.amounts import InexactAmount, parse_amount, total
from reconciliation.domain.backfill_cases import nameless_rows
from reconciliation.domain.books import HistoryRow, KeptFill
from reconciliation.domain.plans.decision_fills import (
    FillQuestion,
    Share,
    plan_set_aside,
    plan_shares,
)
from reconciliation.domain.plans.decisions import (
    Ask,
    DecisionPlan,
    ExitQuestion,
    Refusal,
    plan_operator_exit,
)
from reconciliation.enums import (
    WAITING_REVIEW_STATUSES,
    Coverage,
    DecisionKind,
    DecisionRefusal,
    MismatchKind,
    MismatchStatus,
    NoGoReason,
    QuarantineReason,
    RunKind,
    RunStatus,
)
from reconciliation.models import (
    BackfillCandidate,
    Decision,
    ExchangeAccount,
    Fill,
    MarkPrice,
    Mismatch,
    Profile,
    ReviewItem,
    Run,
    Trade,
)
from reconciliation.selectors.books import load_nameless_exits
from reconciliation.selectors.lists import id_list, text_list
from reconciliation.selectors.missing import load_missing
from reconciliation.selectors.states import kept_fill, trade_state
from reconciliation.selectors.synthetic_exits import load_synthetic_exits

PARITY_PREFIX = "parity:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is decided on: an item of a queue, or a slice's part of a shared shortfall (`trade`)."""

    row: ReviewItem | BackfillCandidate | Mismatch
    trade: Trade | None = None

    @property
    def field(self) -> str:
        """Return the name under which a decision points to it."""
        if isinstance(self.row, ReviewItem):
            return "review"
        return "candidate" if isinstance(self.row, BackfillCandidate) else "mismatch"

    @property
    def object_type(self) -> str:
        """Return what audit events call it."""
        return "backfill" if isinstance(self.row, BackfillCandidate) else self.field

    @property
    def account(self) -> ExchangeAccount:
        return self.row.account

    @property
    def profile(self) -> Profile | None:
        """Return the profile that it is about, where it is about one."""
        return self.trade.profile if self.trade is not None else self.row.profile

    @property
    def version(self) -> int:
        """Return what a decision relies on; a mismatch has none, its decisions are counted."""
        return 1 if isinstance(self.row, Mismatch) else self.row.version

    @property
    def is_waiting(self) -> bool:
        """Return whether it still waits for an answer."""
        if isinstance(self.row, Mismatch):
            return self.row.status == MismatchStatus.OPEN
        return self.row.status in WAITING_REVIEW_STATUSES

    @property
    def is_overclose(self) -> bool:
        """Return whether it is about what was exited beyond a slice."""
        return isinstance(self.row, ReviewItem) and self.row.reason == QuarantineReason.OVERCLOSE

    @property
    def job(self) -> RunKind:
        """Return the job that sees its evidence."""
        is_of_loop = isinstance(self.row, BackfillCandidate) or self.is_overclose
        return RunKind.RECONCILE if is_of_loop else RunKind.HEARTBEAT

    @property
    def judged_at(self) -> datetime:
        """Return when its evidence was new last."""
        is_candidate = isinstance(self.row, BackfillCandidate)
        return self.row.judged_at if is_candidate else self.row.opened_at  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceAge:
    """When a complete run saw the evidence last, and whether reading it anew has failed since."""

    seen_at: datetime
    is_stale: bool
    is_unreadable: bool
    run_id: int | None = None
    """The run that saw it, None where it is known by its opening alone."""


def load_review(item_id: int) -> Subject | None:
    """Return an item of the quarantine queue."""
    related = ("account", "profile", "trade__profile")
    row = ReviewItem.objects.select_related(*related).filter(pk=item_id).first()
    return None if row is None else Subject(row=row)


def load_candidate(candidate_id: int) -> Subject | None:
    """Return an item of the backfill queue."""
    related = ("account", "profile", "fill", "trade")
    row = BackfillCandidate.objects.select_related(*related).filter(pk=candidate_id).first()
    return None if row is None else Subject(row=row)


def load_shortfall(trade_id: int) -> Subject | None:
    """Return the open shared shortfall that a slice is a part of."""
    trade = Trade.objects.select_related("profile").filter(pk=trade_id).first()
    if trade is None:
        return None
    rows = Mismatch.objects.select_related("account", "profile").filter(
        account_id=trade.account_id,
        symbol=trade.symbol,
        trade__isnull=True,
        kind=MismatchKind.POSITION_MISMATCH,
        status=MismatchStatus.OPEN,
        key__startswith=PARITY_PREFIX,
    )
    for row in rows.order_by("pk"):
        if any(each.get("trade") == trade.pk for each in _slices(row)):
            return Subject(row=row, trade=trade)
    return None


def _slices(row: Mismatch) -> list[Mapping[str, Any]]:
    found = row.database_side.get("slices")
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def load_evidence_age(subject: Subject, *, now: datetime, max_age: timedelta) -> EvidenceAge:
    """Return how old the evidence is: since the last complete run of the job that sees it."""
    account_id = subject.row.account_id
    return evidence_age(account_id, subject.job, subject.judged_at, now=now, max_age=max_age)


def evidence_age(
    account_id: int, job: RunKind, known_at: datetime, *, now: datetime, max_age: timedelta
) -> EvidenceAge:
    """Return how old what a job sees of an account is; `known_at` is when it was new last."""
    runs = Run.objects.filter(account_id=account_id, kind=job, only_profile="")
    # As they lie in the index: the search ends at the first that is complete.
    runs = runs.order_by("-started_at", "-id")
    complete = runs.filter(
        status=RunStatus.SUCCEEDED, coverage=Coverage.COMPLETE, as_of__isnull=False
    ).first()
    seen_at = known_at
    failed = runs.filter(status__in=[RunStatus.FAILED, RunStatus.PARTIAL])
    if complete is not None:
        seen_at = max(seen_at, complete.as_of or seen_at)
        failed = failed.filter(pk__gt=complete.pk)
    else:
        failed = failed.filter(started_at__gte=seen_at)
    stale = now - seen_at > max_age
    ended = None if complete is None else complete.finished_at
    return EvidenceAge(
        seen_at=seen_at,
        is_stale=stale,
        is_unreadable=stale and failed.exists(),
        # A run that was over before the evidence was new has not seen it.
        run_id=complete.pk if complete is not None and ended and ended >= known_at else None,
    )


def load_proposal(subject: Subject) -> Decision | None:
    """Return the proposal that waits for a second person."""
    rows = Decision.objects.filter(
        **{subject.field: subject.row}, kind=DecisionKind.PROPOSED, answers__isnull=True
    ).order_by("-pk")
    if isinstance(subject.row, Mismatch):
        mine = subject.trade.pk if subject.trade is not None else None
        return next((row for row in rows if row.terms.get("slice") == mine), None)
    return rows.first() if subject.row.status == "PROPOSED" else None


def plan_approval(subject: Subject, ask: Ask, *, now: datetime) -> DecisionPlan | Refusal:
    """Return what approving, or allocating, would write now."""
    if isinstance(subject.row, BackfillCandidate):
        return _plan_candidate(subject.row, ask)
    if isinstance(subject.row, Mismatch):
        return _plan_shortfall(subject, subject.row, ask, now)
    if subject.is_overclose:
        return plan_overclose(subject.row, ask)
    return plan_operator_exit(_exit_question(subject.row), ask, now=now)


def plan_overclose(item: ReviewItem, ask: Ask) -> DecisionPlan | Refusal:
    """Return what allocating what was exited beyond a slice would write, or setting it aside.

    The fills are of an order of the item's profile: no other profile's slice may use them.
    """
    fills = _overclosing_fills(item)
    question = _fill_question(
        item.account_id,
        fills,
        evidence=item.evidence,
        trades=list(ask.shares or {}),
    )
    if ask.shares is None and ask.trade_id is None:
        return plan_set_aside(question)
    return _plan_shares(item.account_id, replace(question, owner_id=item.profile_id), ask)


def plan_rejection_of_fill(row: BackfillCandidate) -> DecisionPlan:
    """Return what rejecting a fill would write: it is set aside."""
    return plan_set_aside(FillQuestion(fills=(kept_fill(row.fill),), told={}))


def plan_rejection_of_overclose(item: ReviewItem) -> DecisionPlan:
    """Return what rejecting an overclose would write: its rest is nobody's."""
    return plan_set_aside(FillQuestion(fills=_overclosing_fills(item), told={}))


def load_mark(account_id: int, symbol: str) -> Decimal | None:
    """Return the last mark of a symbol that a run read."""
    rows = MarkPrice.objects.filter(account_id=account_id, symbol=symbol)
    mark: Decimal | None = rows.values_list("price", flat=True).first()
    return mark


def _exit_question(item: ReviewItem) -> ExitQuestion:
    return ExitQuestion(
        name=f"review:{item.pk}",
        trade=trade_state(item.trade),
        share=item.quantity,
        mark=load_mark(item.account_id, item.trade.symbol),
        needs_price=item.reason == QuarantineReason.NO_MARK,
        left=load_missing(item.trade),
        amount_step=_step_of(item.evidence),
        evidence_hash=item.evidence_hash,
    )


def _plan_shortfall(
    subject: Subject, row: Mismatch, ask: Ask, now: datetime
) -> DecisionPlan | Refusal:
    if ask.quantity is None or subject.trade is None or row.drift is None:
        return Refusal(
            code=DecisionRefusal.QUANTITY_OUT_OF_RANGE,
            sentence="several slices share this shortfall; give the quantity that this one lacks",
        )
    decisions = Decision.objects.filter(
        mismatch=row, kind=DecisionKind.ALLOCATED, reversed_by__isnull=True
    )
    done = [parse_amount(each.terms["quantity"]) for each in decisions]
    left = abs(row.drift) - total(done)
    missing = load_missing(subject.trade)
    left = left if missing is None else min(left, missing)
    question = ExitQuestion(
        name=f"mismatch:{row.pk}:{len(done)}",
        trade=trade_state(subject.trade),
        share=ask.quantity,
        mark=load_mark(row.account_id, row.symbol),
        left=left,
        amount_step=_step_of(row.database_side) or _step_of(row.exchange_side),
        evidence_hash=row.evidence_hash,
    )
    plan = plan_operator_exit(question, ask, now=now)
    if isinstance(plan, Refusal):
        return plan
    return replace(plan, covers=ask.quantity >= left)


def _plan_candidate(row: BackfillCandidate, ask: Ask) -> DecisionPlan | Refusal:
    chosen = ask.trade_id
    if ask.shares is None and chosen is None:
        chosen = row.trade_id if row.trade_id is not None else _only_suggestion(row)
        if chosen is None and not _is_foreign(row):
            return Refusal(
                code=DecisionRefusal.TRADE_NEEDED,
                sentence="nothing says which slice the fill closed; choose one, or allocate it",
            )
    question = _fill_question(
        row.account_id,
        (kept_fill(row.fill),),
        evidence=row.evidence,
        trades=list(ask.shares or ([] if chosen is None else [chosen])),
        is_foreign=_is_foreign(row),
    )
    return _plan_shares(row.account_id, question, replace(ask, trade_id=chosen))


def _plan_shares(account_id: int, question: FillQuestion, ask: Ask) -> DecisionPlan | Refusal:
    if ask.shares is not None and not ask.shares:
        return Refusal(
            code=DecisionRefusal.QUANTITY_OUT_OF_RANGE,
            sentence="no slice was given a share; give one at least, or reject it",
        )
    wanted: dict[int, Decimal | None] = dict(ask.shares or {})
    if ask.shares is None and ask.trade_id is not None:
        wanted = {ask.trade_id: ask.quantity}
    trades = {
        row.pk: trade_state(row)
        for row in Trade.objects.filter(pk__in=id_list(wanted), account_id=account_id)
    }
    if wanted.keys() - trades.keys():
        return Refusal(
            code=DecisionRefusal.WRONG_SLICE,
            sentence="a slice that was chosen is not of this account; choose another",
        )
    shares = [Share(trade=trades[key], quantity=amount) for key, amount in wanted.items()]
    return plan_shares(question, shares, ask)


def _fill_question(
    account_id: int,
    fills: tuple[KeptFill, ...],
    *,
    evidence: Mapping[str, Any],
    trades: Collection[int],
    is_foreign: bool = False,
) -> FillQuestion:
    symbol = fills[0].fill.symbol if fills else ""
    base = symbol.split("/")[0] if symbol and ":" not in symbol else None
    bases = {} if base is None else {symbol: base}
    told: dict[int, tuple[HistoryRow, ...]] = nameless_rows(load_nameless_exits(trades, bases))
    states = {row.pk: trade_state(row) for row in Trade.objects.filter(pk__in=id_list(trades))}
    return FillQuestion(
        fills=fills,
        is_foreign=is_foreign,
        owner_id=_owner_id(account_id, evidence),
        base_currency=base,
        amount_step=_step_of(evidence),
        told=told,
        standing=load_synthetic_exits(states, fills),
    )


def _overclosing_fills(item: ReviewItem) -> tuple[KeptFill, ...]:
    """Return the fills that an overclose is about, as far as nothing has booked them yet."""
    shown = item.evidence.get("fills")
    shown = [each for each in shown if isinstance(each, dict)] if isinstance(shown, list) else []
    names = {(each.get("symbol"), each.get("side"), each.get("fill_id")) for each in shown}
    rows = Fill.objects.filter(
        account_id=item.account_id,
        exchange_fill_id__in=text_list(str(name) for _, _, name in names),
    ).unconsumed()
    return tuple(
        kept_fill(row)
        for row in rows.defer("raw").order_by("executed_at", "exchange_fill_id")
        if (row.symbol, row.side, row.exchange_fill_id) in names
    )


def _is_foreign(row: BackfillCandidate) -> bool:
    return NoGoReason.FOREIGN_SUB_TAG in row.reasons


def _owner_id(account_id: int, evidence: Mapping[str, Any]) -> int | None:
    """Return the profile whose a fill is by its own evidence, as it was judged."""
    owner = evidence.get("owner")
    name = owner.get("profile") if isinstance(owner, dict) else None
    if name is None:
        return None
    found: int | None = (
        Profile.objects.filter(account_id=account_id, name=name)
        .values_list("pk", flat=True)
        .first()
    )
    return found


def _only_suggestion(row: BackfillCandidate) -> int | None:
    """Return the slice that the heuristics agree on, where they point to one only."""
    suggestions = row.evidence.get("suggestions") or []
    names = {each.get("trade") for each in suggestions if isinstance(each, dict)}
    if len(names) != 1:
        return None
    found: int | None = (
        Trade.objects.filter(account_id=row.account_id, trade_id=names.pop())
        .values_list("pk", flat=True)
        .first()
    )
    return found


def _step_of(evidence: Mapping[str, Any]) -> Decimal | None:
    """Return the amount step that evidence shows, None where it shows none."""
    try:
        return parse_amount(evidence.get("amount_step"))
    except InexactAmount:
        return None
