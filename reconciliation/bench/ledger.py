"""The portal's books in memory: what the tables hold, and changes applied as the handlers do.

A change is written whole or, where a premise no longer holds, not at all. Temporary ids become the
rows' own, versions count up, fills are consumed, questions are asked once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from reconciliation.bench.new_ids import with_ids
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.books import (
    Books,
    CandidateState,
    HistoryRow,
    KeptFill,
    OpenMismatch,
    OrderState,
    ProfileState,
    TradeState,
)
from reconciliation.domain.keys import evidence_hash
from reconciliation.domain.plans.changes import (
    CandidateDraft,
    Change,
    HistoryDraft,
    MismatchDraft,
    ReviewDraft,
)
from reconciliation.domain.plans.mismatches import plan_mismatches
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import (
    WAITING_CANDIDATE_STATUSES,
    CandidateStatus,
    HistoryKind,
    HistorySource,
    QuarantineReason,
    TradeStatus,
)

FillName = tuple[str, str, str]


@dataclass(slots=True, kw_only=True)
class LedgerRow:
    """A history row; `covered` is what fills are allocated to it, `delivered` the bot's own id."""

    id: int
    trade_id: int
    key: str
    kind: HistoryKind
    source: HistorySource
    quantity: Decimal
    booked: Decimal
    order_id: int | None
    fill_id: str | None
    order_ids: tuple[str | None, str | None] = (None, None)
    covered: Decimal = ZERO
    is_delivered: bool = False

    def as_state(self) -> HistoryRow:
        """Return the row in the form that decisions are made on."""
        return HistoryRow(
            id=self.id,
            trade_id=self.trade_id,
            kind=self.kind,
            source=self.source,
            quantity=self.quantity,
            booked_quantity=self.booked,
            order_id=self.order_id,
            exchange_fill_id=self.fill_id,
            covered=self.covered,
        )


@dataclass(slots=True, kw_only=True)
class Question:
    """A review item of a slice. `status` is waiting, superseded, approved or rejected."""

    trade_id: int
    reason: QuarantineReason
    hash: str
    asked_in: int
    status: str = "waiting"


@dataclass(slots=True)
class Ledger:
    """The tables of one account. `on_change` sees each change just before it is written;
    `true_names` are the bots' own ids of slices by their codes."""

    profiles: Mapping[int, ProfileState]
    is_hedged: bool
    amount_steps: Mapping[str, Decimal]
    on_change: Callable[[Change], None]
    true_names: Mapping[str, str]
    trades: dict[int, TradeState] = field(default_factory=dict)
    orders: dict[int, OrderState] = field(default_factory=dict)
    fills: dict[int, KeptFill] = field(default_factory=dict)
    unbooked: dict[int, None] = field(default_factory=dict)
    rows: dict[str, LedgerRow] = field(default_factory=dict)
    rows_of: dict[int, list[LedgerRow]] = field(default_factory=dict)
    candidates: dict[int, CandidateState] = field(default_factory=dict)
    mismatches: dict[str, OpenMismatch] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    cycle: int = 0
    dropped: int = 0
    _names: dict[FillName, int] = field(default_factory=dict)
    _last_id: int = 0

    def next_id(self) -> int:
        """Return an id that no row has."""
        self._last_id += 1
        return self._last_id

    def keep_fills(self, fills: Iterable[ExchangeFill]) -> None:
        """Keep fills that were read, each once."""
        for fill in fills:
            if fill.key not in self._names:
                key = self.next_id()
                self._names[fill.key] = key
                self.fills[key] = KeptFill(id=key, fill=fill, allocated=ZERO)
                self.unbooked[key] = None

    def fill_named(self, name: FillName) -> KeptFill | None:
        """Return a kept fill by its name."""
        key = self._names.get(name)
        return None if key is None else self.fills[key]

    def put_fill(self, kept: KeptFill) -> None:
        """Write a fill: what is left of it may still be asked about."""
        self.fills[kept.id] = kept
        if kept.remaining > 0:
            self.unbooked[kept.id] = None
        else:
            self.unbooked.pop(kept.id, None)

    def books(self, listed: Iterable[ExchangeOrder]) -> Books:
        """Return the books that the loop decides on."""
        unbooked = [self.fills[key] for key in self.unbooked]
        exchange_ids = {kept.fill.exchange_order_id for kept in unbooked}
        client_ids = {kept.fill.client_order_id for kept in unbooked}
        for shown in listed:
            exchange_ids.add(shown.exchange_order_id)
            client_ids.add(shown.client_order_id)
        exchange_ids.discard(None)
        client_ids.discard(None)
        waiting = {each.order_id for each in self.mismatches.values()}
        orders = {
            key: order
            for key, order in self.orders.items()
            if order.is_active
            or order.exchange_order_id in exchange_ids
            or order.client_order_id in client_ids
            or key in waiting
        }
        of_orders = {i for order in orders.values() for i in order.exchange_ids}
        by_client = {order.client_order_id for order in orders.values()} - {None}
        return Books(
            profiles=self.profiles,
            trades=dict(self.trades),
            orders=orders,
            fills=tuple(
                kept
                for key, kept in self.fills.items()
                if key in self.unbooked
                or kept.fill.exchange_order_id in of_orders
                or kept.fill.client_order_id in by_client
            ),
            history=tuple(
                row.as_state()
                for row in self.rows.values()
                if row.is_delivered and row.booked > row.covered
            ),
            is_hedged=self.is_hedged,
            open_mismatches=tuple(self.mismatches.values()),
            amount_steps=self.amount_steps,
            candidates=tuple(
                each
                for key, each in self.candidates.items()
                if key in self.unbooked or each.status in WAITING_CANDIDATE_STATUSES
            ),
        )

    def apply(self, changes: Sequence[Change], *, asks: bool = True) -> list[Change]:
        """Write the changes whose premises hold; return those. Only a run asks questions."""
        written = []
        for change in changes:
            if not self._holds(change):
                self.dropped += 1
                continue
            change = with_ids(change, self.next_id)
            self.on_change(change)
            self._write(change, asks=asks)
            written.append(change)
        return written

    def note_mismatches(
        self,
        drafts: Iterable[MismatchDraft],
        before: Iterable[OpenMismatch],
        can_see: Callable[[OpenMismatch], bool],
        found_orders: frozenset[int] = frozenset(),
    ) -> None:
        """Open, count and resolve the differences of orders."""
        plan = plan_mismatches(
            open_before=before, drafts=drafts, can_see=can_see, found_orders=found_orders
        )
        for old in (*plan.gone, *(old for old, _ in plan.repaired)):
            self.mismatches.pop(old.key, None)
        for draft in (*plan.new, *(draft for _, draft in plan.again)):
            if draft.resolution is None:
                known = self.mismatches.get(draft.key)
                self.mismatches[draft.key] = OpenMismatch(
                    id=self.next_id() if known is None else known.id,
                    key=draft.key,
                    profile_id=draft.profile_id,
                    order_id=draft.order_id,
                    trade_id=draft.trade_id,
                    kind=draft.kind,
                    not_found_count=draft.not_found_count,
                )
        for old in plan.found:
            if old.key in self.mismatches:
                self.mismatches[old.key] = replace(old, not_found_count=0)

    def put_candidates(self, drafts: Iterable[CandidateDraft]) -> None:
        """Write verdicts on fills that could be missed exits, where nobody decided meanwhile."""
        for draft in drafts:
            known = self.candidates.get(draft.fill_id)
            if known is not None and (draft.known is None or draft.known.version != known.version):
                continue
            self.candidates[draft.fill_id] = CandidateState(
                id=self.next_id() if known is None else known.id,
                fill_id=draft.fill_id,
                status=draft.status,
                hash=draft.hash,
                version=1 if known is None else known.version + 1,
            )

    def supersede(self, moot: Iterable[CandidateState]) -> None:
        """Take back what needs no answer any more."""
        for each in moot:
            known = self.candidates.get(each.fill_id)
            if known is not None and known.version == each.version:
                self.candidates[each.fill_id] = replace(
                    known, status=CandidateStatus.SUPERSEDED, version=known.version + 1
                )

    def questions_waiting(self) -> Iterator[Question]:
        """Yield the questions that nobody has answered yet."""
        return (each for each in self.questions if each.status == "waiting")

    def answer(self, trade_id: int, status: str) -> None:
        """Note a person's answer to every question about a slice."""
        for each in self.questions:
            if each.trade_id == trade_id and each.status == "waiting":
                each.status = status

    def _holds(self, change: Change) -> bool:
        premises = change.premises
        return (
            all(
                key in self.trades and self.trades[key].version == version
                for key, version in premises.trades.items()
            )
            and all(
                key in self.orders and self.orders[key].version == version
                for key, version in premises.orders.items()
            )
            and all(self.fills[key].allocated == held for key, held in premises.fills.items())
            and not any(draft.key in self.rows for draft in change.history)
            and self._has_new_names(change)
        )

    def _has_new_names(self, change: Change) -> bool:
        """Return whether nobody has told of what a change would add."""
        new = [order for order in change.orders if order.id < 0]
        if any(
            (known.client_order_id is not None and known.client_order_id == order.client_order_id)
            or (
                known.exchange_order_id is not None
                and known.exchange_order_id == order.exchange_order_id
            )
            for order in new
            for known in self.orders.values()
        ):
            return False
        trade = change.trade
        return (
            trade is None
            or trade.id > 0
            or not any(known.code == trade.code for known in self.trades.values())
        )

    def _write(self, change: Change, *, asks: bool) -> None:
        for draft in change.history:
            self._add_row(draft, change)
        by_id = {row.id: row for row in self.rows.values()} if change.allocations else {}
        for part in change.allocations:
            kept = self.fills[part.fill_id]
            sign = -1 if part.released else 1
            self.put_fill(replace(kept, allocated=kept.allocated + sign * part.quantity))
            row = self.rows.get(part.history_key or "") or by_id.get(part.history_id or 0)
            if row is not None:
                row.covered += sign * part.quantity
        if change.trade is not None:
            self.trades[change.trade.id] = replace(change.trade, version=change.trade.version + 1)
        for order in change.orders:
            self.orders[order.id] = replace(order, version=order.version + 1)
        for leg in change.legs:
            order = self.orders[leg.order_id]
            if leg.exchange_order_id not in order.leg_ids:
                legs = (*order.leg_ids, leg.exchange_order_id)
                self.orders[leg.order_id] = replace(order, leg_ids=legs)
        if change.trade is not None and change.trade.status != TradeStatus.QUARANTINED:
            self._supersede_questions(change.trade.id)
        if asks:
            for review in change.reviews:
                self._ask(review)
            self.put_candidates(change.candidates)

    def _add_row(self, draft: HistoryDraft, change: Change) -> None:
        fill = next(
            (
                self.fills[part.fill_id].fill
                for part in change.allocations
                if part.history_key == draft.key
            ),
            None,
        )
        row = LedgerRow(
            id=self.next_id(),
            trade_id=draft.trade_id,
            key=draft.key,
            kind=draft.kind,
            source=draft.source,
            quantity=draft.quantity,
            booked=draft.quantity,
            order_id=draft.order_id,
            fill_id=draft.exchange_fill_id,
            order_ids=(None, None)
            if fill is None
            else (fill.exchange_order_id, fill.client_order_id),
        )
        self.add_row(row)

    def add_row(self, row: LedgerRow) -> None:
        """Add a history row."""
        self.rows[row.key] = row
        self.rows_of.setdefault(row.trade_id, []).append(row)

    def _ask(self, draft: ReviewDraft) -> None:
        """Put a question; one that waits is shown its new evidence, a rejected one is not asked."""
        hashed = evidence_hash(draft.sameness or draft.evidence)
        mine = [each for each in self.questions if each.trade_id == draft.trade_id]
        waits = [each for each in mine if each.reason == draft.reason and each.status == "waiting"]
        if waits:
            waits[0].hash = hashed
        elif not any(each.hash == hashed and each.status == "rejected" for each in mine):
            self.questions.append(
                Question(
                    trade_id=draft.trade_id, reason=draft.reason, hash=hashed, asked_in=self.cycle
                )
            )

    def _supersede_questions(self, trade_id: int) -> None:
        for each in self.questions:
            if (
                each.trade_id == trade_id
                and each.status == "waiting"
                and each.reason != QuarantineReason.OVERCLOSE
            ):
                each.status = "superseded"
