"""Which fills could be missed exits, and what a verdict on each of them rests on.

They are the fills that nothing has booked in full: of no known order, or of an order that was
adopted by its sub tag alone and has no trade. Fills of every other known order are booked by it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.attribution import (
    Attribution,
    Conflict,
    Owners,
    attribute,
    index_owners,
)
from reconciliation.domain.backfill import BackfillPolicy, FillCase
from reconciliation.domain.books import (
    Books,
    HistoryRow,
    KeptFill,
    OrderState,
    StandingExits,
    TradeState,
)
from reconciliation.domain.intervals import covers
from reconciliation.domain.keys import parse_client_order_id
from reconciliation.domain.order_diff import group_fills
from reconciliation.domain.plans.booking import net_quantity
from reconciliation.domain.types import (
    AccountSnapshot,
    ExchangeFill,
    ExchangeOrder,
    LookUp,
    OrderFound,
)
from reconciliation.domain.unowned import OrderKey, could_close, fills_by_unknown_order
from reconciliation.enums import HOLDING_TRADE_STATUSES, HistoryKind, HistorySource, InstrumentType


@dataclass(frozen=True, slots=True, kw_only=True)
class LooseFill:
    """A fill of no known order, or of one that was adopted by its tag alone (`order`).

    `evidence` is the fill with what only its order says; `moments` are when either was active.
    """

    key: OrderKey
    kept: KeptFill
    evidence: ExchangeFill
    order: OrderState | None
    moments: tuple[datetime, ...]


def find_loose_fills(
    books: Books, snapshot: AccountSnapshot, look_ups: Mapping[OrderKey, LookUp]
) -> list[LooseFill]:
    """Return the unbooked fills that no order of the books explains, oldest first."""
    shown: dict[OrderKey, ExchangeOrder] = {
        key: answer.order for key, answer in look_ups.items() if isinstance(answer, OrderFound)
    }
    shown |= {(each.symbol, each.exchange_order_id): each for each in snapshot.listed_orders()}
    items = []
    for key, fills in fills_by_unknown_order(books).items():
        if key in books.decided_orders:
            continue
        seen = shown.get(key)
        moments = [kept.fill.executed_at for kept in fills]
        if seen is not None:
            moments += [at for at in (seen.created_at, seen.updated_at) if at is not None]
        items += [
            LooseFill(
                key=key,
                kept=kept,
                evidence=_with_evidence_of(kept.fill, seen),
                order=None,
                moments=tuple(moments),
            )
            for kept in fills
        ]
    for order_id, fills in group_fills(books).items():
        order = books.orders[order_id]
        if order.trade_id is not None:
            continue
        items += [
            LooseFill(
                key=(kept.fill.symbol, kept.fill.exchange_order_id or ""),
                kept=kept,
                evidence=_with_evidence_of(kept.fill, order),
                order=order,
                moments=(kept.fill.executed_at, order.last_activity_at),
            )
            for kept in fills
            if kept.remaining > 0 and not kept.set_aside
        ]
    if books.baseline_at is not None:
        items = [item for item in items if item.kept.fill.executed_at >= books.baseline_at]
    return sorted(
        items, key=lambda item: (item.kept.fill.executed_at, item.kept.fill.fill_id, item.kept.id)
    )


def _with_evidence_of(fill: ExchangeFill, order: ExchangeOrder | OrderState | None) -> ExchangeFill:
    """Return a fill with the ids and tags that it lacks and its order has."""
    if order is None:
        return fill
    hint = order.trade_hint if isinstance(order, ExchangeOrder) else None
    return replace(
        fill,
        client_order_id=fill.client_order_id or order.client_order_id,
        sub_tag=fill.sub_tag or order.sub_tag,
        trade_hint=fill.trade_hint or hint,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseMaker:
    """Makes the cases of one cycle. Owners are all profiles, those that are disabled as well."""

    books: Books
    policy: BackfillPolicy
    as_of: datetime
    owners: Owners
    symbols: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, books: Books, policy: BackfillPolicy, as_of: datetime) -> "CaseMaker":
        """Return the maker for the books as they are once the other changes are applied."""
        profiles = {**books.profiles, **books.disabled_profiles}
        symbols: dict[str, tuple[int, ...]] = {}
        for trade in sorted(books.trades.values(), key=lambda trade: trade.id):
            symbols[trade.symbol] = (*symbols.get(trade.symbol, ()), trade.id)
        return cls(
            books=books,
            policy=policy,
            as_of=as_of,
            owners=index_owners(profiles, books.trades.values(), books.client_order_ids),
            symbols=symbols,
        )

    def make(
        self,
        loose: LooseFill,
        trades: Mapping[int, TradeState],
        rows: Mapping[int, tuple[HistoryRow, ...]],
        exits: Mapping[int, StandingExits],
    ) -> FillCase:
        """Return what a verdict rests on; trades and rows are as earlier verdicts have left them.

        `rows` are, by trade, the delivered exits that name neither fill nor order, `exits` those
        of trades of which some have no fill.
        """
        fill, books = loose.kept.fill, self.books
        closers = [trades[key] for key in self.symbols.get(fill.symbol, ())]
        closers = [trade for trade in closers if could_close(fill, trade)]
        slices = tuple(trade for trade in closers if trade.status in HOLDING_TRADE_STATUSES)
        synthetic = tuple(trade for trade in closers if trade.id in exits and trade not in slices)
        owner = attribute(loose.evidence, self.owners)
        if isinstance(owner, Attribution) and _names_another_trade(loose.evidence, owner):
            owner = Conflict(sentence="client order id and trade id hint name different trades")
        parsed = parse_client_order_id(loose.evidence.client_order_id)
        named = () if not isinstance(owner, Attribution) or owner.trade is None else (owner.trade,)
        base_currency = books.base_currencies.get(fill.symbol)
        return FillCase(
            kept=loose.kept,
            net=net_quantity(fill, loose.kept.remaining, base_currency),
            owner=owner,
            is_strangers=(
                parsed is not None and parsed.profile_code not in self.owners.by_profile_code
            ),
            slices=slices,
            closed_synthetically=synthetic,
            room={
                trade.id: trade.open_quantity
                + (exits[trade.id].quantity if trade.id in exits else ZERO)
                for trade in (*slices, *synthetic)
            },
            told={
                trade.id: total(row.uncovered for row in rows.get(trade.id, ()))
                for trade in (*slices, *synthetic, *named)
            },
            unproven=self._unproven((*slices, *synthetic, *named), fill),
            amount_step=books.amount_steps.get(fill.symbol),
        )

    def _unproven(self, trades: Iterable[TradeState], fill: ExchangeFill) -> frozenset[int]:
        """Return the trades since whose opening not every fill was read."""
        known = self.policy.proven.get(type_of(self.books, fill), ())
        return frozenset(
            trade.id
            for trade in trades
            if not covers((min(trade.opened_at, self.as_of), self.as_of), known)
        )


def nameless_exits(books: Books) -> dict[int, tuple[HistoryRow, ...]]:
    """Return by trade the delivered exits of the books that name neither fill nor order."""
    return nameless_rows(books.history)


def nameless_rows(rows: Iterable[HistoryRow]) -> dict[int, tuple[HistoryRow, ...]]:
    """Return by trade the delivered exits that name neither fill nor order, oldest first.

    An order that ended without an exchange id names nothing either: the fill that the row tells of
    may be listed under an order which nobody knows to be that one.
    """
    found: dict[int, tuple[HistoryRow, ...]] = {}
    for row in sorted(rows, key=lambda row: row.id):
        names_none = row.exchange_fill_id is None and (row.order_id is None or row.is_order_unnamed)
        if row.kind == HistoryKind.EXIT and row.source == HistorySource.BOT and names_none:
            found[row.trade_id] = (*found.get(row.trade_id, ()), row)
    return found


def type_of(books: Books, fill: ExchangeFill) -> InstrumentType:
    """Return the type of instrument that a fill is of."""
    is_spot = fill.symbol in books.base_currencies
    return InstrumentType.SPOT if is_spot else InstrumentType.SWAP


def _names_another_trade(fill: ExchangeFill, owner: Attribution) -> bool:
    """Return whether a deterministic client id is of another trade than the one that is named."""
    parsed = parse_client_order_id(fill.client_order_id)
    return parsed is not None and owner.trade is not None and parsed.trade_code != owner.trade.code
