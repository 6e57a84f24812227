"""What a correction does to a profile: its capital, its gate, its pauses; before and after.

Both are computed by the rules that the ledger and the gate go by, from the plan that would be
written: nothing here knows a rule of its own.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import total
from reconciliation.domain.books import TradeState
from reconciliation.domain.capital import Capital, HeldSlice, capital_of
from reconciliation.domain.gate import Difference, Gate, Holding, Standing, decide_gate
from reconciliation.domain.plans.changes import Change
from reconciliation.enums import HOLDING_TRADE_STATUSES, PauseSource
from reconciliation.models import MarkPrice, Mismatch, Profile, Trade
from reconciliation.selectors.capital import load_capital
from reconciliation.selectors.gate import load_standing
from reconciliation.selectors.lists import id_list
from reconciliation.selectors.states import trade_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What would be written: changes, the mismatches that end, the symbols of answered excesses."""

    changes: tuple[Change, ...] = ()
    ended: tuple[Mismatch, ...] = ()
    answered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consequence:
    """A profile before and after. `capital_*` is None where the profile is switched off."""

    profile: Profile
    capital_before: Capital | None
    capital_after: Capital | None
    gate_before: Gate
    gate_after: Gate
    pauses: tuple[PauseSource, ...]


def load_consequences(
    effect: Effect, profile_ids: Collection[int], *, conf: Conf, clock: Clock
) -> list[Consequence]:
    """Return what becomes of each profile: two queries for each, and six for its account."""
    profiles = list(
        Profile.objects.select_related("account").filter(pk__in=id_list(profile_ids)).order_by("pk")
    )
    if not profiles:
        return []
    account_id = profiles[0].account_id
    marks = MarkPrice.objects.filter(account_id=account_id)
    capital = {
        each.profile.pk: each.now
        for each in load_capital(account_id, dict(marks.values_list("symbol", "price")))
    }
    after = {change.trade.id: change.trade for change in effect.changes if change.trade is not None}
    before = {row.pk: trade_state(row) for row in Trade.objects.filter(pk__in=id_list(after))}
    now = clock.now()
    found = []
    for profile in profiles:
        standing = load_standing(profile, conf=conf, clock=clock, now=now)
        then = _after(standing, after, effect)
        kept = capital.get(profile.pk)
        found.append(
            Consequence(
                profile=profile,
                capital_before=kept,
                capital_after=None if kept is None else _spent(kept, profile.pk, before, after),
                gate_before=_gate(standing, conf),
                gate_after=_gate(then, conf),
                pauses=tuple(source for source in PauseSource if source in standing.pauses),
            )
        )
    return found


def _gate(standing: Standing, conf: Conf) -> Gate:
    return decide_gate(standing, confirmations=conf.parity_confirmations, interval=conf.interval)


def _after(standing: Standing, after: dict[int, TradeState], effect: Effect) -> Standing:
    """Return how a profile would stand, had all of it been written."""
    kept = [each for each in standing.holdings if each.trade_id not in after]
    kept += [
        Holding(
            trade_id=trade.id,
            symbol=trade.symbol,
            direction=trade.direction,
            status=trade.status,
            open_quantity=trade.open_quantity,
        )
        for trade in after.values()
        if trade.profile_id == standing.profile_id and trade.status in HOLDING_TRADE_STATUSES
    ]
    return replace(
        standing,
        holdings=tuple(kept),
        differences=tuple(
            each
            for each in standing.differences
            if not any(_is_of(each, mismatch) for mismatch in effect.ended)
        ),
        overclosed=standing.overclosed - effect.answered,
    )


def _is_of(difference: Difference, mismatch: Mismatch) -> bool:
    if (difference.kind, difference.symbol) != (mismatch.kind, mismatch.symbol):
        return False
    if difference.profile_id != mismatch.profile_id:
        return False
    return mismatch.trade_id is None or mismatch.trade_id in difference.trade_ids


def _spent(
    capital: Capital,
    profile_id: int,
    before: dict[int, TradeState],
    after: dict[int, TradeState],
) -> Capital:
    """Return the capital with what the slices that change use then in place of now."""
    return replace(
        capital,
        used=total(
            (
                capital.used,
                -_used(profile_id, before.values()).used,
                _used(profile_id, after.values()).used,
            )
        ),
    )


def _used(profile_id: int, trades: Collection[TradeState] | Sequence[TradeState]) -> Capital:
    return capital_of(
        allocated=total(()),
        orders=(),
        slices=[
            HeldSlice(
                open_quantity=trade.open_quantity, average_entry_price=trade.average_entry_price
            )
            for trade in trades
            if trade.profile_id == profile_id and trade.status in HOLDING_TRADE_STATUSES
        ],
        marks={},
    )
