"""What belongs to nobody: a person adopts it into a profile, or says that it is to be ignored.

Each item is decided once. A refusal writes nothing but the event that says so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import DataError, IntegrityError

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.people import Person
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.nobodys import (
    Refusal,
    plan_fill_adoption,
    plan_order_adoption,
    plan_orphan_adoption,
)
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import (
    DecisionKind,
    DecisionReason,
    DecisionRefusal,
    ExternalStatus,
    Nobodys,
    Right,
    RunKind,
)
from reconciliation.handlers.bulk import update_rows
from reconciliation.handlers.changes import write_changes
from reconciliation.handlers.decision_records import (
    Ask,
    Outcome,
    Refused,
    check_words,
    clean,
    decision_unit,
    record_decision,
    record_refusal,
    refuse,
    settle_mismatch,
)
from reconciliation.handlers.leases import LockLost, fence, holding, take_lease, who_holds
from reconciliation.handlers.nobodys_items import MODELS, Item, NobodysItem, load_item, locate
from reconciliation.handlers.targets import Target
from reconciliation.handlers.unit import Unit
from reconciliation.models import AcceptedPosition, Decision, ExternalOrder, Fill, Profile
from reconciliation.selectors.decisions import EvidenceAge, evidence_age
from reconciliation.selectors.nobodys import find_trade, load_destination
from reconciliation.selectors.synthetic_exits import load_synthetic_exits

_IGNORED = {
    Nobodys.EXTERNAL_ORDER: "external_order.ignored",
    Nobodys.FILL: "fill.ignored",
    Nobodys.ORPHAN: "position.ignored",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Desk:
    """What every step of a decision needs beside the question itself."""

    ask: Ask
    conf: Conf
    clock: Clock


def adopt(
    *,
    person: Person,
    item: NobodysItem,
    expected: int | None = None,
    profile: str = "",
    trade: str = "",
    reason: DecisionReason | None,
    comment: str = "",
    conf: Conf,
    clock: Clock,
) -> Outcome:
    """Take an item into a profile, and into a trade by its id, which may be a new one.

    `expected` is the version that the person saw. From RECON_FOUR_EYES_MIN_NOTIONAL_USD on, the
    first person proposes and another carries it out. An unknown worth counts as above it.
    """
    terms = {"profile": profile, "trade": trade}
    desk = _Desk(ask=_ask("adopt", person, item, reason, comment, terms), conf=conf, clock=clock)
    try:
        if not (person.may(Right.PROPOSE) or person.may(Right.APPROVE)):
            raise Refused(DecisionRefusal.DENIED, "adopting needs the right to propose or approve")
        check_words(desk.ask)
        account = locate(item)
        into = find_profile(account.pk, profile, trade)
        ask = replace(
            desk.ask,
            account=account.name,
            profile=into.name,
            terms={"profile": into.name, "trade": trade},
        )
        desk = replace(desk, ask=ask)
        return _with_lease(desk, into, lambda unit: _adopt(unit, desk, item, expected, into, trade))
    except Refused as refused:
        return refuse(desk.ask, refused, conf=conf, clock=clock)


def ignore(
    *,
    person: Person,
    item: NobodysItem,
    expected: int | None = None,
    reason: DecisionReason | None,
    comment: str = "",
    conf: Conf,
    clock: Clock,
) -> Outcome:
    """Say that an item is not ours: its mismatch is accepted, and no books are written."""
    desk = _Desk(ask=_ask("ignore", person, item, reason, comment, {}), conf=conf, clock=clock)
    try:
        if not person.may(Right.REJECT):
            raise Refused(DecisionRefusal.DENIED, "ignoring needs the right to reject")
        check_words(desk.ask)
        account = locate(item)
        desk = replace(desk, ask=replace(desk.ask, account=account.name))
        return _decide(desk, lambda unit: _ignore(unit, desk, item, expected))
    except Refused as refused:
        return refuse(desk.ask, refused, conf=conf, clock=clock)


def _ask(
    verb: str,
    person: Person,
    item: NobodysItem,
    reason: DecisionReason | None,
    comment: str,
    terms: dict[str, str],
) -> Ask:
    return Ask(
        person=person,
        verb=verb,
        object_type=MODELS[item.kind].word,
        object_id=str(item.id),
        reason=reason,
        comment=clean(comment),
        terms={name: clean(text)[:64] for name, text in terms.items()},
    )


def find_profile(account_id: int, name: str, trade_id: str) -> Profile:
    """Return the profile that is named, or whose the trade is that is named."""
    profiles = Profile.objects.filter(account_id=account_id, enabled=True)
    found = profiles.filter(name=name).first() if name and "\x00" not in name else None
    if not name and trade_id:
        trade = find_trade(account_id, trade_id)
        found = None if trade is None else profiles.filter(pk=trade.profile_id).first()
    if found is None:
        raise Refused(DecisionRefusal.PROFILE_NEEDED, "say into which profile of its account")
    if len(trade_id) > 64 or trade_id != clean(trade_id):
        raise Refused(DecisionRefusal.TRADE_NEEDED, "no trade can have this id")
    return found


def _with_lease(desk: _Desk, profile: Profile, act: Callable[[Unit], Outcome]) -> Outcome:
    """Decide under the lease of the profile whose books are written."""
    lease = take_lease(
        profile_id=profile.pk,
        holder=f"decision of {desk.ask.person.actor.name}"[:64],
        ttl=desk.conf.lock_ttl,
        clock=desk.clock,
    )
    if lease is None:
        raise Refused(DecisionRefusal.LOCKED, who_holds(profile_id=profile.pk, clock=desk.clock))
    try:
        with holding(lease):
            return _decide(
                desk, act, before=lambda: fence(lease, ttl=desk.conf.lock_ttl, clock=desk.clock)
            )
    except LockLost as lost:
        raise Refused(DecisionRefusal.LOCKED, f"{lost}; try again") from lost


def _decide(
    desk: _Desk, act: Callable[[Unit], Outcome], *, before: Callable[[], None] = lambda: None
) -> Outcome:
    """Act in one unit; what was expected to go wrong is recorded in it instead, and committed."""
    with decision_unit(desk.ask, conf=desk.conf, clock=desk.clock) as unit:
        before()
        try:
            with unit.savepoint():
                return act(unit)
        except Refused as refused:
            return record_refusal(unit, desk.ask, refused)
        except (IntegrityError, DataError) as error:
            failed = Refused(DecisionRefusal.FAILED, str(error).splitlines()[0])
            return record_refusal(unit, desk.ask, failed)


def _adopt(
    unit: Unit, desk: _Desk, item: NobodysItem, expected: int | None, into: Profile, trade_id: str
) -> Outcome:
    loaded = load_item(item)
    check_item(loaded, expected)
    age = age_of_item(item, loaded, conf=desk.conf, now=unit.now)
    if age.is_stale and not age.is_unreadable:
        raise Refused(
            DecisionRefusal.STALE_EVIDENCE, "the evidence is too old to adopt on; refresh it first"
        )
    change = plan_item(loaded, into, trade_id, desk.conf)
    if isinstance(change, Refusal):
        raise Refused(change.code, change.sentence)
    worth = loaded.notional_usd
    ask = replace(desk.ask, terms={**desk.ask.terms, "quantity": _text(loaded.quantity)})
    proposal = None
    if age.is_stale or needs_two(worth, desk.conf):
        proposal = _proposal_of_another(loaded, ask)
        if proposal is None:
            row = _record(unit, ask, loaded, "review.proposed", DecisionKind.PROPOSED, into, worth)
            return Outcome(kind=DecisionKind.PROPOSED, decision_id=row.pk)
    decision = _record(
        unit, ask, loaded, "review.approved", DecisionKind.ADOPTED, into, worth, proposal
    )
    target = Target(
        account_id=into.account_id,
        account_name=ask.account,
        profile_id=into.pk,
        profile_name=into.name,
    )
    if not write_changes(unit, [change], target=target, decision_id=decision.pk):
        raise Refused(DecisionRefusal.CONFLICT, "the books changed meanwhile; look again")
    if isinstance(loaded.row, ExternalOrder):
        loaded.row.status, loaded.row.version = ExternalStatus.ADOPTED, loaded.row.version + 1
        update_rows(ExternalOrder, [loaded.row], fields=("status", "version"))
    if loaded.orphan is not None:
        _accept_position(unit, loaded, ZERO, decision, only_known=True)
    if loaded.mismatch is not None:
        how = f"adopted into {into.name}" + (f", trade {trade_id}" if trade_id else "")
        settle_mismatch(unit, ask, loaded.mismatch, accepted=False, how=how)
    return Outcome(kind=DecisionKind.ADOPTED, decision_id=decision.pk)


def _ignore(unit: Unit, desk: _Desk, item: NobodysItem, expected: int | None) -> Outcome:
    loaded = load_item(item)
    check_item(loaded, expected)
    if loaded.waits_in_backfill:
        raise Refused(
            DecisionRefusal.UNKNOWN_ITEM, "it waits in the backfill queue: reject it there"
        )
    ask = replace(desk.ask, terms={"quantity": _text(loaded.quantity)})
    decision = _record(
        unit,
        ask,
        loaded,
        "review.rejected",
        DecisionKind.IGNORED,
        None,
        loaded.notional_usd,
    )
    if isinstance(loaded.row, ExternalOrder):
        loaded.row.status, loaded.row.version = ExternalStatus.IGNORED, loaded.row.version + 1
        update_rows(ExternalOrder, [loaded.row], fields=("status", "version"))
    if isinstance(loaded.row, Fill):
        loaded.row.set_aside = True
        update_rows(Fill, [loaded.row], fields=("set_aside",))
    if loaded.orphan is not None:
        _accept_position(unit, loaded, loaded.orphan.excess, decision)
    unit.record(ask.event(_IGNORED[item.kind], after={"decision": decision.pk, **ask.terms}))
    if loaded.mismatch is not None:
        how = f"ignored by {ask.person.actor.name}"
        settle_mismatch(unit, ask, loaded.mismatch, accepted=True, how=how)
    return Outcome(kind=DecisionKind.IGNORED, decision_id=decision.pk)


def age_of_item(item: NobodysItem, loaded: Item, *, conf: Conf, now: datetime) -> EvidenceAge:
    """Return how old the evidence of an item is: since the last complete run of its job."""
    job = RunKind.HEARTBEAT if item.kind == Nobodys.ORPHAN else RunKind.RECONCILE
    return evidence_age(
        loaded.account_id, job, known_at(loaded), now=now, max_age=conf.review_evidence_max_age
    )


def known_at(loaded: Item) -> datetime:
    """Return when an item was put before people."""
    row = loaded.row
    if isinstance(row, ExternalOrder):
        return row.first_seen_at
    return row.recorded_at if isinstance(row, Fill) else row.opened_at


def check_item(loaded: Item, expected: int | None) -> None:
    """Raise `Refused` for what is decided, is not for a person, or changed since he saw it."""
    if loaded.decided:
        raise Refused(DecisionRefusal.DECIDED_ALREADY, loaded.decided)
    if expected is not None and expected != loaded.version:
        raise Refused(DecisionRefusal.CONFLICT, "it changed since you looked; look again")
    if loaded.is_of_known_order:
        raise Refused(
            DecisionRefusal.CONFLICT, "its order is in the books: the next cycle books it"
        )


def plan_item(loaded: Item, into: Profile, trade_id: str, conf: Conf) -> Change | Refusal:
    """Return what adopting would write; a preview shows the same."""
    pattern = conf.client_order_id_pattern
    shown: ExchangeOrder | ExchangeFill | None = loaded.shown
    if loaded.kept is not None:
        shown = loaded.kept.fill
    where = load_destination(into, trade_id, shown, pattern)
    if loaded.shown is not None:
        return plan_order_adoption(loaded.shown, where)
    if loaded.kept is not None:
        known = {} if where.trade is None else {where.trade.id: where.trade}
        standing = load_synthetic_exits(known, [loaded.kept])
        return plan_fill_adoption(
            loaded.kept,
            where,
            base_currency=loaded.base_currency,
            standing=None if where.trade is None else standing.get(where.trade.id),
        )
    assert loaded.orphan is not None  # noqa: S101  (an item is one of the three)
    return plan_orphan_adoption(loaded.orphan, where)


def needs_two(notional: Decimal | None, conf: Conf) -> bool:
    """Return whether a second person has to carry it out; an unknown worth counts as too much."""
    least = conf.four_eyes_min_notional_usd
    return least is not None and (notional is None or notional >= least)


def _proposal_of_another(loaded: Item, ask: Ask) -> Decision | None:
    """Return the last proposal if it is this one, another's, and he may carry it out; else None.

    Raises `Refused` for one who would be maker and checker.
    """
    rows = Decision.objects.filter(kind=DecisionKind.PROPOSED, answers=None, **loaded.subject)
    last = rows.order_by("-pk").first()
    if last is None or last.terms != ask.terms:
        return None
    if last.maker_id == ask.person.actor.id:
        raise Refused(DecisionRefusal.SAME_PERSON, "another person must carry out what you propose")
    if not ask.person.may(Right.APPROVE):
        raise Refused(DecisionRefusal.DENIED, "carrying out a proposal needs the right to approve")
    return last


def _record(
    unit: Unit,
    ask: Ask,
    loaded: Item,
    action: str,
    kind: DecisionKind,
    into: Profile | None,
    notional: Decimal | None,
    proposal: Decision | None = None,
) -> Decision:
    return record_decision(
        unit,
        ask,
        action=action,
        kind=kind,
        account_id=loaded.account_id,
        subject=loaded.subject_ids,
        item_version=loaded.version,
        profile_id=None if into is None else into.pk,
        notional_usd=notional,
        proposal=proposal,
        evidence_hash="" if loaded.mismatch is None else loaded.mismatch.evidence_hash,
    )


def _accept_position(
    unit: Unit, loaded: Item, quantity: Decimal, decision: Decision, *, only_known: bool = False
) -> None:
    """Set what is accepted beyond the slices; what was adopted is accepted no more."""
    orphan = loaded.orphan
    assert orphan is not None  # noqa: S101  (the caller asked)
    rows = AcceptedPosition.objects.select_for_update(no_key=True)
    values: dict[str, Any] = {"quantity": quantity, "decision": decision, "updated_at": unit.now}
    of: dict[str, Any] = {
        "account_id": loaded.account_id,
        "symbol": orphan.symbol,
        "side": orphan.side,
    }
    if only_known:
        rows.filter(**of).update(**values)
    else:
        rows.update_or_create(**of, defaults=values)


def _text(quantity: Decimal | None) -> str | None:
    return None if quantity is None else plain(quantity)
