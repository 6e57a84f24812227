"""Write what a heartbeat found and decided.

Readings, streaks and marks are observation; what it corrects is written a profile at a time, each
in one durable transaction. A decision rests on every slice of the position, whoever's it is: the
slices are locked and read again, and a position whose slices moved is left for the next heartbeat.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.db import DatabaseError, transaction

from reconciliation.clock import Clock
from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.books import OpenMismatch
from reconciliation.domain.keys import canonical_json
from reconciliation.domain.parity import PositionKey
from reconciliation.domain.plans.changes import Change, MismatchDraft
from reconciliation.domain.plans.mismatches import plan_mismatches
from reconciliation.domain.streaks import Streak
from reconciliation.enums import HOLDING_TRADE_STATUSES, CycleStep, ParityKind
from reconciliation.handlers.apply import (
    Applied,
    ApplyContext,
    fence_context,
    record_failure,
)
from reconciliation.handlers.bulk import insert_rows
from reconciliation.handlers.changes import write_changes
from reconciliation.handlers.edits import load_left_alone
from reconciliation.handlers.mismatches import write_mismatches
from reconciliation.handlers.texts import storable
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import (
    AcceptedPosition,
    ExchangeAccount,
    ParityReading,
    ParityWatch,
    Trade,
)
from reconciliation.selectors.lists import text_list


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingDraft:
    """What a heartbeat saw of one position, and what it did about it, in words."""

    key: PositionKey
    kind: ParityKind
    streak: Streak
    virtual: Decimal | None
    actual: Decimal | None
    mark: Decimal | None
    outcome: str
    evidence: Mapping[str, object]

    @property
    def is_worth_keeping(self) -> bool:
        """Return whether there is more to say than that both sides agreed."""
        return self.kind != ParityKind.CLEAN or bool(self.outcome)


def keep_readings(
    *,
    account: ExchangeAccount,
    run_id: int,
    readings: Sequence[ReadingDraft],
    as_of: datetime,
    is_dry_run: bool,
) -> None:
    """Keep the streak of each position, and both sides of those that do not simply agree."""
    with transaction.atomic(durable=True):
        ParityWatch.objects.bulk_create(
            [
                ParityWatch(
                    account=account,
                    symbol=each.key.symbol,
                    side=each.key.side,
                    kind=each.streak.kind,
                    fingerprint=each.streak.fingerprint,
                    streak=each.streak.count,
                    counted_as_of=each.streak.counted_as_of,
                    fresh_count=each.streak.fresh_count,
                    last_run_id=run_id,
                )
                for each in readings
            ],
            update_conflicts=True,
            unique_fields=("account", "symbol", "side"),
            update_fields=(
                "kind",
                "fingerprint",
                "streak",
                "counted_as_of",
                "fresh_count",
                "last_run",
            ),
        )
        insert_rows(
            ParityReading,
            [
                ParityReading(
                    run_id=run_id,
                    account=account,
                    symbol=each.key.symbol,
                    side=each.key.side,
                    kind=each.kind,
                    streak=each.streak.count,
                    virtual_quantity=each.virtual,
                    actual_quantity=each.actual,
                    mark=each.mark,
                    as_of=as_of,
                    outcome=each.outcome,
                    dry_run=is_dry_run,
                    evidence=storable(json.loads(canonical_json(each.evidence))),
                )
                for each in readings
                if each.is_worth_keeping
            ],
        )


@dataclass(slots=True, kw_only=True)
class JudgedSlices:
    """By symbol the slices that decisions rest on, by id and version, of all profiles.

    `together` names, of a symbol, all that were compared with it: spot symbols of one currency.
    What this heartbeat itself has written is taken into account as it goes on.
    """

    account_id: int
    by_symbol: dict[str, dict[int, int]]
    together: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def lock_and_compare(self) -> set[str]:
        """Lock the slices; return the symbols where they still are what was judged."""
        found: dict[str, dict[int, int]] = {symbol: {} for symbol in self.by_symbol}
        for symbols in self.together.values():
            found |= {symbol: {} for symbol in symbols}
        rows = (
            Trade.objects.select_for_update(no_key=True)
            .holding()
            .filter(account_id=self.account_id, symbol__in=text_list(found))
            .order_by("pk")
            .values_list("pk", "symbol", "version", "entry_quantity", "exit_quantity")
        )
        locked = list(rows)
        edited = load_left_alone(trades=[each[0] for each in locked]).trades
        for trade_id, symbol, version, entered, exited in locked:
            if trade_id in edited:
                # No version: whatever was judged, a slice that was edited past us is not that.
                found[symbol][trade_id] = 0
            elif entered > exited:
                found[symbol][trade_id] = version
        unmoved = {symbol for symbol in found if found[symbol] == self.by_symbol.get(symbol, {})}
        return {
            symbol
            for symbol in unmoved & self.by_symbol.keys()
            if self.together.get(symbol, frozenset()) <= unmoved
        }

    def take_note(self, changes: Sequence[Change]) -> None:
        """Remember what was written to a slice: others of its position were judged beside it."""
        for change in changes:
            after = change.trade
            if after is None or after.symbol not in self.by_symbol:
                continue
            versions = self.by_symbol[after.symbol]
            if after.status in HOLDING_TRADE_STATUSES:
                versions[after.id] = after.version + 1
            else:
                versions.pop(after.id, None)


def apply_parity(
    *,
    context: ApplyContext,
    changes: Sequence[Change],
    mismatches: Sequence[MismatchDraft],
    open_before: Sequence[OpenMismatch],
    can_see: Callable[[OpenMismatch], bool],
    judged: JudgedSlices,
) -> Applied:
    """Write what a heartbeat decided for one profile, and its mismatches.

    A change that the database refuses does not stop the others: it is recorded as failed.
    """
    try:
        return _apply(context, changes, mismatches, open_before, can_see, judged)
    except DatabaseError:
        if not changes:
            raise
    written, dropped, errors = 0, 0, []
    for change in changes:
        try:
            applied = _apply(context, [change], (), (), can_see, judged)
            written, dropped = written + applied.written, dropped + applied.dropped
        except DatabaseError as error:
            errors.append(record_failure(context, change, error))
    _apply(context, [], mismatches, open_before, can_see, judged)
    return Applied(written=written, dropped=dropped, errors=tuple(errors))


def _apply(
    context: ApplyContext,
    changes: Sequence[Change],
    mismatches: Sequence[MismatchDraft],
    open_before: Sequence[OpenMismatch],
    can_see: Callable[[OpenMismatch], bool],
    judged: JudgedSlices,
) -> Applied:
    with transaction_unit(
        actor=context.actor,
        clock=context.clock,
        settings_hash=context.settings_hash,
        run_id=context.run_id,
        before_commit=lambda: context.reach(CycleStep.BEFORE_COMMIT),
    ) as unit:
        fence_context(context)
        unmoved = judged.lock_and_compare() if changes else set()
        trades = Trade.objects.in_bulk([key for c in changes for key in c.premises.trades])
        sound = [
            change
            for change in changes
            if all(trades[key].symbol in unmoved for key in change.premises.trades)
        ]
        holding = write_changes(
            unit,
            sound,
            target=context.target,
            run_id=context.run_id,
            first_write=lambda: context.reach(CycleStep.FIRST_WRITE),
        )
        closed = {
            change.trade.id
            for change in holding
            if change.trade is not None and change.trade.status not in HOLDING_TRADE_STATUSES
        }
        write_mismatches(
            plan=plan_mismatches(
                open_before=open_before,
                drafts=[_as_it_ended(draft, closed) for draft in mismatches],
                can_see=can_see,
            ),
            account_id=context.profile.account_id,
            run_id=context.run_id,
            unit=unit,
            named=context.target.named,
        )
    judged.take_note(holding)
    return Applied(written=len(holding), dropped=len(changes) - len(holding))


def _as_it_ended(draft: MismatchDraft, closed: set[int]) -> MismatchDraft:
    """Return a difference, resolved where this very transaction closed its slice."""
    if draft.trade_id not in closed:
        return draft
    return replace(draft, resolution="closed by a synthetic exit")


def end_acceptances(
    *,
    account: ExchangeAccount,
    keys: Sequence[PositionKey],
    run_id: int,
    actor: Actor,
    settings_hash: str,
    clock: Clock,
) -> None:
    """Take back what a person ignored of positions in which nothing is left beyond the slices."""
    if not keys:
        return
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=settings_hash, run_id=run_id
    ) as unit:
        for key in keys:
            row = (
                AcceptedPosition.objects.select_for_update(no_key=True)
                .filter(account=account, symbol=key.symbol, side=key.side)
                .exclude(quantity=ZERO)
                .first()
            )
            if row is None:
                continue
            before, row.quantity, row.updated_at = row.quantity, ZERO, unit.now
            row.save(update_fields=["quantity", "updated_at"])
            unit.record(
                EventDraft(
                    action="position.acceptance_ended",
                    object_type="accepted_position",
                    object_id=str(row.pk),
                    account=account.name,
                    before={"quantity": plain(before)},
                    after={"quantity": "0", "symbol": key.symbol, "side": key.side},
                    comment="nothing is left beyond the slices",
                )
            )
