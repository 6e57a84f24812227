"""Whether an exchange fill of no known order is the missed exit of a slice: the gates.

Invariants: the same evidence gives the same verdict, whatever the order of the input; what is
another profile's is never GO, whatever the policy; a heuristic alone is GO only where the policy
does without strong attribution and allows heuristics; a GO is of exactly one slice and takes no
more than it has open, but for less than one amount step.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.attribution import Attribution, Conflict
from reconciliation.domain.books import KeptFill, TradeState
from reconciliation.domain.intervals import Interval
from reconciliation.enums import (
    AttributionMode,
    BackfillVerdict,
    FillKind,
    InstrumentType,
    NoGoReason,
    Purpose,
    TradeStatus,
)

_ORDER_OF_REASONS = {reason: at for at, reason in enumerate(NoGoReason)}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillPolicy:
    """The settings of the gates, and the intervals whose fills were read completely."""

    require_strong: bool
    allow_heuristic: bool
    stale_grace: timedelta
    proven: Mapping[InstrumentType, tuple[Interval, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillCase:
    """Everything that a verdict on one fill rests on.

    `net` is what is left of it, base units net of fees. `owner` is what its own evidence and its
    order's say, `is_strangers` that its client order id is of a profile which is not on the
    account. `slices` are those on whose closing side it stands, of any profile: open or
    quarantined, or `closed_synthetically`. `room` is what each trade could take, `told` what its
    delivered exits without a fill id have told of already and no fill is linked to yet, and
    `unproven` are the trades since whose opening not every fill was read.
    """

    kept: KeptFill
    net: Decimal
    owner: Attribution | Conflict | None
    is_strangers: bool
    slices: tuple[TradeState, ...]
    closed_synthetically: tuple[TradeState, ...]
    room: Mapping[int, Decimal]
    told: Mapping[int, Decimal]
    unproven: frozenset[int]
    amount_step: Decimal | None

    @property
    def is_exchange_initiated(self) -> bool:
        """Return whether the exchange itself caused it: no order of anybody's did."""
        return self.kept.fill.kind != FillKind.TRADE


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A slice that a heuristic points to. It proves nothing."""

    mode: AttributionMode
    trade: TradeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on a fill, with every reason against it.

    `trade` is the slice that it is about: the one that the evidence names, else the only one that
    fits. `mode` is the evidence that was accepted, NONE for a NO_GO.
    """

    verdict: BackfillVerdict
    reasons: tuple[NoGoReason, ...]
    mode: AttributionMode
    trade: TradeState | None
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    """What the fill was matched to. `trades` are those that the further gates are held against."""

    mode: AttributionMode = AttributionMode.NONE
    trade: TradeState | None = None
    trades: tuple[TradeState, ...] = ()
    reasons: tuple[NoGoReason, ...] = ()


def judge_fill(case: FillCase, policy: BackfillPolicy) -> Judgement:
    """Return GO where the fill is proven to be an exit of one slice, else every reason why not."""
    suggestions = _suggest(case)
    if _is_foreign(case):
        return Judgement(
            verdict=BackfillVerdict.NO_GO,
            reasons=(NoGoReason.FOREIGN_SUB_TAG,),
            mode=AttributionMode.NONE,
            trade=case.slices[0] if len(case.slices) == 1 else None,
            suggestions=(),
        )
    if isinstance(case.owner, Attribution):
        match = _match_owner(case, case.owner)
    else:
        match = _match_heuristically(case, suggestions, policy)
    reasons = {*match.reasons, *_check(case, match.trades, policy)}
    is_go = not reasons and match.trade is not None
    return Judgement(
        verdict=BackfillVerdict.GO if is_go else BackfillVerdict.NO_GO,
        reasons=tuple(sorted(reasons, key=_ORDER_OF_REASONS.__getitem__)),
        mode=match.mode if is_go else AttributionMode.NONE,
        trade=match.trade,
        suggestions=suggestions,
    )


def _is_foreign(case: FillCase) -> bool:
    """Return whether the evidence contradicts itself, or is of a profile with no such slice."""
    if case.is_strangers or isinstance(case.owner, Conflict):
        return True
    if case.owner is None:
        return False
    return not any(
        trade.profile_id == case.owner.profile.id
        for trade in (*case.slices, *case.closed_synthetically)
    )


def _match_owner(case: FillCase, owner: Attribution) -> _Match:
    """Match by strong evidence: the trade that it names, or the only one of its profile."""
    if owner.purpose == Purpose.ENTRY or (owner.trade is None and owner.trade_code is not None):
        # It enters something, or is of a trade that nobody knows yet: no slice here is meant.
        return _Match(reasons=(NoGoReason.NO_MATCH,))
    if owner.trade is not None:
        return _Match(mode=owner.mode, trade=owner.trade, trades=(owner.trade,))
    own = tuple(
        trade
        for trade in (*case.slices, *case.closed_synthetically)
        if trade.profile_id == owner.profile.id
    )
    if len(own) > 1:
        return _Match(trades=own, reasons=(NoGoReason.AMBIGUOUS_SLICE,))
    return _Match(mode=owner.mode, trade=own[0], trades=own, reasons=_guard_quarantine(own[0]))


def _match_heuristically(
    case: FillCase, suggestions: tuple[Suggestion, ...], policy: BackfillPolicy
) -> _Match:
    """Match what proves nothing: by a heuristic where the policy has it so, else say which."""
    if not suggestions:
        alike = [trade for trade in case.slices if case.room[trade.id] == case.net]
        several = NoGoReason.AMBIGUOUS_SLICE if len(alike) > 1 else NoGoReason.NO_MATCH
        return _Match(trades=case.slices, reasons=(several,))
    best = suggestions[0]
    reasons = list(_guard_quarantine(best.trade))
    if policy.require_strong:
        reasons.append(NoGoReason.WEAK_ATTRIBUTION)
    if not policy.allow_heuristic:
        reasons.append(NoGoReason.HEURISTIC_DISABLED)
    return _Match(mode=best.mode, trade=best.trade, trades=(best.trade,), reasons=tuple(reasons))


def _guard_quarantine(trade: TradeState) -> tuple[NoGoReason, ...]:
    """A slice in quarantine takes only what names it: a client order id, or a trade id."""
    is_quarantined = trade.status == TradeStatus.QUARANTINED
    return (NoGoReason.WEAK_ATTRIBUTION,) if is_quarantined else ()


def _suggest(case: FillCase) -> tuple[Suggestion, ...]:
    """Return what the heuristics point to, the stronger one first; nothing where owned."""
    if case.owner is not None or case.is_strangers:
        return ()
    found = []
    if len(case.slices) == 1:
        found.append(Suggestion(mode=AttributionMode.SINGLE_OPEN_TRADE, trade=case.slices[0]))
    equal = [trade for trade in case.slices if case.room[trade.id] == case.net]
    if len(equal) == 1:
        found.append(Suggestion(mode=AttributionMode.QTY_UNIQUE, trade=equal[0]))
    return tuple(found)


def _check(
    case: FillCase, trades: Iterable[TradeState], policy: BackfillPolicy
) -> list[NoGoReason]:
    """Return the reasons of age, quantity and coverage that hold for each of the trades.

    Coverage is lacking where it is for any: what was not read may be of that one.
    """
    concerned = list(trades)
    if not concerned:
        return []
    reasons = []
    at = case.kept.fill.executed_at
    if all(at < trade.opened_at - policy.stale_grace for trade in concerned):
        reasons.append(NoGoReason.STALE_FILL)
    if all(_exceeds(case, trade) for trade in concerned):
        reasons.append(NoGoReason.QTY_EXCEEDS_OPEN)
    if any(trade.id in case.unproven for trade in concerned):
        reasons.append(NoGoReason.EVIDENCE_INCOMPLETE)
    return reasons


def _exceeds(case: FillCase, trade: TradeState) -> bool:
    """Return whether a slice has no room for the fill, but for less than one amount step."""
    room, new = case.room.get(trade.id, ZERO), case.net - case.told.get(trade.id, ZERO)
    if new <= 0 < case.net:
        return False
    return room <= 0 or (
        new > room and (case.amount_step is None or new - room >= case.amount_step)
    )
