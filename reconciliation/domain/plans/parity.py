"""From findings to rows: mismatches, synthetic exits, quarantines, releases.

Invariants: nothing is exited but what is open; a replay of the same ghost finds its row; what a
person has rejected is not asked again before its evidence is another one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import plain
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.books import KeptFill, OpenMismatch, ProfileState, TradeState
from reconciliation.domain.keys import evidence_hash, history_key
from reconciliation.domain.parity import Finding, PositionKey, Share, notional_of
from reconciliation.domain.plans.booking import with_quantity, with_status_of_quantities
from reconciliation.domain.plans.changes import (
    Change,
    HistoryDraft,
    MismatchDraft,
    Premises,
    ReviewDraft,
    SightingDraft,
)
from reconciliation.domain.plans.evidence import fill_as_evidence, trade_as_evidence
from reconciliation.domain.unowned import could_close
from reconciliation.enums import (
    HistoryKind,
    HistorySource,
    MismatchKind,
    ParityKind,
    Purpose,
    QuarantineReason,
    TradeStatus,
)

KEY_PREFIX = "parity:"


def key_of(finding: Finding, share: Share | None) -> str:
    """Return what names a finding, of one slice or of the account, while it is the same."""
    key = finding.holding.key
    whose = "account" if share is None else str(share.trade.id)
    return f"{KEY_PREFIX}{key.symbol}:{key.side}:{finding.kind}:{whose}:{plain(finding.drift)}"


def unexplained_before(
    open_mismatches: Iterable[OpenMismatch], key: PositionKey
) -> tuple[Decimal, ...]:
    """Return the differences of a position that are still open as nobody's, or as anybody's."""
    prefixes = tuple(
        f"{KEY_PREFIX}{key.symbol}:{key.side}:{kind}:"
        for kind in (ParityKind.ORPHAN_POSITION, ParityKind.AMBIGUOUS_OWNERS)
    )
    return tuple(
        Decimal(mismatch.key.rpartition(":")[2])
        for mismatch in open_mismatches
        if mismatch.key.startswith(prefixes)
    )


def sameness_of(finding: Finding, fills: Iterable[KeptFill]) -> dict[str, object]:
    """Return what makes evidence another one: kind, drift and fill ids; never a time or a mark."""
    return {
        "kind": finding.kind,
        "drift": plain(finding.drift),
        "fills": sorted(f"{kept.fill.side}:{kept.fill.fill_id}" for kept in fills),
    }


def closing_fills_of(trade: TradeState, fills: Iterable[KeptFill]) -> tuple[KeptFill, ...]:
    """Return the fills since a slice opened that could have closed it, and that nobody booked."""
    return tuple(
        kept
        for kept in fills
        if kept.remaining > 0
        and not kept.set_aside
        and could_close(kept.fill, trade)
        and kept.fill.executed_at >= trade.opened_at
    )


def position_as_evidence(
    finding: Finding,
    profiles: Mapping[int, ProfileState],
    *,
    streak: int,
    as_of: datetime,
) -> dict[str, object]:
    """Return both sides of a position as they were read: enough to decide on it years later."""
    return {
        "database": database_side(finding, profiles),
        "exchange": exchange_side(finding, as_of=as_of),
        "kind": finding.kind,
        "drift": plain(finding.drift),
        "amount_step": _step_of(finding),
        "streak": streak,
    }


def database_side(finding: Finding, profiles: Mapping[int, ProfileState]) -> dict[str, object]:
    """Return the virtual side: the sum, and every slice with its profile and its share."""
    shares = {share.trade.id: share.quantity for share in finding.shares}
    return {
        "quantity": plain(finding.holding.virtual),
        "slices": [
            {
                "trade": trade.id,
                "trade_id": trade.trade_id,
                "profile": profiles[trade.profile_id].name,
                "profile_id": trade.profile_id,
                "status": trade.status,
                "direction": trade.direction,
                "open_quantity": plain(trade.signed_open_quantity),
                "share": None if trade.id not in shares else plain(shares[trade.id]),
            }
            for trade in finding.holding.slices
        ],
        **({} if finding.holding.flow == 0 else {"flow": plain(finding.holding.flow)}),
    }


def exchange_side(finding: Finding, *, as_of: datetime) -> dict[str, object]:
    """Return the exchange's side: what it holds, at which price, as of when."""
    holding = finding.holding
    return {
        "side": holding.key.side,
        "quantity": plain(holding.actual),
        "entry_price": None if holding.entry_price is None else plain(holding.entry_price),
        "mark": None if holding.mark is None else plain(holding.mark),
        "accepted": plain(holding.accepted),
        "amount_step": _step_of(finding),
        "as_of": as_of,
        "raw": holding.raw,
    }


def _step_of(finding: Finding) -> str | None:
    step = finding.holding.amount_step
    return None if step is None else plain(step)


def draft_mismatches(
    finding: Finding,
    profiles: Mapping[int, ProfileState],
    fills: Mapping[int, Sequence[KeptFill]],
    *,
    streak: int,
    as_of: datetime,
) -> tuple[MismatchDraft, ...]:
    """Return the differences of a finding: one a slice, or one of the account for all of it."""
    if finding.kind == ParityKind.ORPHAN_POSITION or finding.is_shared:
        return (_draft(finding, None, profiles, (), streak=streak, as_of=as_of),)
    return tuple(
        _draft(finding, share, profiles, fills.get(share.trade.id, ()), streak=streak, as_of=as_of)
        for share in finding.shares
    )


def _draft(
    finding: Finding,
    share: Share | None,
    profiles: Mapping[int, ProfileState],
    fills: Sequence[KeptFill],
    *,
    streak: int,
    as_of: datetime,
) -> MismatchDraft:
    holding = finding.holding
    quantity = finding.unaccepted if share is None else share.quantity
    drift = finding.drift
    if share is not None:
        drift = -share.quantity if finding.drift < 0 else share.quantity
    return MismatchDraft(
        key=key_of(finding, share),
        kind=MismatchKind(finding.kind.value),
        profile_id=None if share is None else share.trade.profile_id,
        trade_id=None if share is None else share.trade.id,
        symbol=holding.key.symbol,
        drift=drift,
        database_side=database_side(finding, profiles),
        exchange_side={
            **exchange_side(finding, as_of=as_of),
            "fills": [fill_as_evidence(kept.fill) for kept in fills],
        },
        sighting=SightingDraft(
            streak=streak,
            quantity=quantity,
            mark=holding.mark,
            notional_usd=notional_of(quantity, holding.usd_mark),
        ),
        sameness=sameness_of(finding, fills),
    )


def plan_synthetic_exit(
    trade: TradeState,
    *,
    price: Decimal,
    as_of: datetime,
    evidence: Mapping[str, object],
) -> Change:
    """Exit all that a ghost has open, without a fill, at an estimated price."""
    draft = HistoryDraft(
        trade_id=trade.id,
        key=history_key(
            trade_id=trade.id,
            kind=HistoryKind.EXIT,
            evidence=f"ghost:{plain(trade.entry_quantity)}:{plain(trade.exit_quantity)}",
            reversals=trade.reversals,
        ),
        kind=HistoryKind.EXIT,
        source=HistorySource.SYNTHETIC,
        quantity=trade.open_quantity,
        price=price,
        executed_at=as_of,
        estimated=True,
        evidence_hash=evidence_hash(evidence),
    )
    after = with_quantity(trade, Purpose.EXIT, draft.quantity, price)
    after = with_status_of_quantities(after, draft)
    return Change(
        profile_id=trade.profile_id,
        premises=_relying_on(trade),
        trade=after,
        history=(draft,),
        events=(
            EventDraft(
                action="trade.synthetic_exit",
                object_type="trade",
                object_id=str(trade.id),
                before=trade_as_evidence(trade),
                after={
                    **trade_as_evidence(after),
                    "quantity": plain(draft.quantity),
                    "price": plain(price),
                    "estimated": True,
                    "evidence": evidence,
                },
                evidence=(draft.evidence_hash,),
            ),
        ),
    )


def plan_quarantine(
    trade: TradeState,
    *,
    reason: QuarantineReason,
    quantity: Decimal,
    evidence: Mapping[str, object],
    sameness: Mapping[str, object],
) -> Change:
    """Take a slice out of automatic handling until a person decides.

    One that is in quarantine already only has its evidence brought up to date.
    """
    is_new = trade.status != TradeStatus.QUARANTINED
    after = replace(trade, status=TradeStatus.QUARANTINED)
    event = EventDraft(
        action="trade.quarantined",
        object_type="trade",
        object_id=str(trade.id),
        before=trade_as_evidence(trade),
        after={**trade_as_evidence(after), "evidence": evidence},
        reason_code=reason,
        evidence=(evidence_hash(sameness),),
    )
    return Change(
        profile_id=trade.profile_id,
        premises=_relying_on(trade),
        trade=after if is_new else None,
        reviews=(
            ReviewDraft(
                reason=reason,
                trade_id=trade.id,
                quantity=quantity,
                evidence=evidence,
                sameness=sameness,
            ),
        ),
        events=(event,) if is_new else (),
    )


def plan_release(trade: TradeState, *, heartbeats: int) -> Change:
    """Give a slice back to automatic handling: it agreed with the exchange for long enough."""
    after = replace(trade, status=TradeStatus.OPEN)
    return Change(
        profile_id=trade.profile_id,
        premises=_relying_on(trade),
        trade=after,
        events=(
            EventDraft(
                action="trade.released",
                object_type="trade",
                object_id=str(trade.id),
                before=trade_as_evidence(trade),
                after=trade_as_evidence(after),
                comment=f"both sides agreed in {heartbeats} heartbeats in a row",
            ),
        ),
    )


def _relying_on(trade: TradeState) -> Premises:
    return Premises(trades={trade.id: trade.version}, orders={}, fills={})
