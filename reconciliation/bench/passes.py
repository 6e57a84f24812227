"""The two jobs in memory: read, decide by the very functions of the domain, apply."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from reconciliation.bench.ledger import Ledger
from reconciliation.bench.reading import FaultyReader
from reconciliation.conf import Conf
from reconciliation.cycles.holdings import HoldingsRead, ask_again, make_holdings, worth_of
from reconciliation.cycles.policies import backfill_policy, not_found_policy
from reconciliation.domain import confirmed as verdicts
from reconciliation.domain import decisions
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.books import KeptFill, TradeState
from reconciliation.domain.entry_evidence import is_attributed, unresolved_orders
from reconciliation.domain.intervals import covers
from reconciliation.domain.linking import link_delivered_rows
from reconciliation.domain.order_diff import orders_to_look_up
from reconciliation.domain.parity import (
    OF_SLICES,
    Finding,
    Holding,
    PositionKey,
    compare,
    is_effectively_zero,
)
from reconciliation.domain.parity_books import EntryEvidence, ParityBooks, WaitingReview
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.parity import closing_fills_of
from reconciliation.domain.plans.verdicts import plan_releases, plan_verdict, without_answered
from reconciliation.domain.streaks import NEW, Streak, count_sighting, must_judge
from reconciliation.domain.types import Instrument, OrderFound, Unread
from reconciliation.domain.unowned import entry_orders_to_look_up
from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    Coverage,
    CoverageStatus,
    HistoryKind,
    InstrumentType,
    ParityKind,
    Purpose,
)


@dataclass(slots=True)
class Sighting:
    """What a position came to in a heartbeat."""

    finding: Finding
    kind: ParityKind
    streak: Streak


@dataclass(slots=True)
class Jobs:
    """The portal of one desk. `pauses` are called between what is read and what is written."""

    conf: Conf
    ledger: Ledger
    reader: FaultyReader
    instruments: dict[str, Instrument]
    streaks: dict[PositionKey, Streak] = field(default_factory=dict)
    accepted: dict[PositionKey, Decimal] = field(default_factory=dict)
    locked: frozenset[int] = frozenset()
    sightings: dict[PositionKey, Sighting] = field(default_factory=dict)

    def reconcile(self, as_of: datetime, *, writes: bool = True) -> None:
        """Run the loop once. Without `writes` it is killed before its commit."""
        conf, ledger = self.conf, self.ledger
        snapshot = self.reader.read_snapshot(as_of)
        ledger.keep_fills(self.reader.take_kept())
        if snapshot.coverage == Coverage.NONE:
            return
        listed = tuple(snapshot.listed_orders())
        books = ledger.books(listed)
        ours, _ = orders_to_look_up(
            books,
            snapshot,
            of_profiles=frozenset(ledger.profiles),
            grace=conf.inflight_grace,
            limit=conf.max_order_lookups,
        )
        unknown, _ = entry_orders_to_look_up(
            link_delivered_rows(books).books,
            snapshot,
            grace=conf.inflight_grace,
            limit=conf.max_order_lookups,
        )
        answers = {
            order.id: self.reader.look_up(order.exchange_order_id, order.client_order_id, as_of)
            for order in ours
        }
        of_unknown = {key: self.reader.look_up(key[1], None, as_of) for key in unknown}
        for answer in (*answers.values(), *of_unknown.values()):
            if isinstance(answer, OrderFound) and not isinstance(answer.fills, Unread):
                ledger.keep_fills(answer.fills)
        for order in ours:
            asked = replace(ledger.orders[order.id], looked_up_at=as_of)
            ledger.orders[order.id] = asked
        proven = {InstrumentType.SWAP: tuple(self.reader.proven)}
        decided = decisions.decide_orders(
            ledger.books(listed) if answers or of_unknown else books,
            snapshot,
            answers,
            of_unknown,
            grace=conf.inflight_grace,
            not_found=lambda books: not_found_policy(conf, books, snapshot, proven),
            backfill=backfill_policy(conf, proven),
        )
        if not writes:
            return
        written = ledger.apply([c for c in decided.changes if c.profile_id not in self.locked])
        for profile_id in ledger.profiles:
            if profile_id in self.locked:
                continue
            ledger.note_mismatches(
                [m for c in written if c.profile_id == profile_id for m in c.mismatches],
                decided.open_of(profile_id),
                lambda mismatch: mismatch.order_id in decided.judged_orders,
                decided.found_orders,
            )
        ledger.put_candidates(
            draft
            for draft in decided.no_go
            if draft.profile is None or draft.profile.id not in self.locked
        )
        if not self.locked:
            ledger.supersede(decided.moot_candidates)

    def heartbeat(self, as_of: datetime, *, writes: bool = True) -> None:
        """Run the heartbeat once. Without `writes` it is killed before its commit."""
        read = self.reader.read_holdings(as_of)
        self.ledger.keep_fills(self.reader.take_kept())
        before = dict(self.streaks)
        books = self.parity_books(as_of)
        seen = self._compare(books, read, before)
        confirmed = self._confirmed(seen, books)
        judged: list[tuple[TradeState, Finding, verdicts.Verdict]] = []
        if confirmed:
            self.reconcile(as_of, writes=writes)
            books = self.parity_books(as_of)
            seen = self._compare(books, read, before)
            confirmed = self._confirmed(seen, books)
            judged = self._judge(confirmed, books, read)
        if not writes:
            return
        self.sightings = seen
        self.streaks |= {key: each.streak for key, each in seen.items()}
        changes = [
            change
            for trade, finding, verdict in judged
            if (change := plan_verdict(trade, finding, verdict, books, evidence={}, as_of=as_of))
            is not None
        ]
        for each in seen.values():
            is_due = each.streak.count >= self.conf.parity_confirmations
            if each.kind == ParityKind.CLEAN and is_due:
                changes += plan_releases(each.finding, books, heartbeats=each.streak.count)
        self.ledger.apply(self._of_unmoved_positions(changes, books))
        for key, each in seen.items():
            if each.kind == ParityKind.CLEAN:
                self.accepted.pop(key, None)

    def _of_unmoved_positions(self, changes: Sequence[Change], books: ParityBooks) -> list[Change]:
        """Return the changes of symbols whose slices are still those that were judged.

        What a locked profile has part in is left alone.
        """
        judged: dict[str, dict[int, int]] = {}
        locked = set()
        for trade in books.slices:
            judged.setdefault(trade.symbol, {})[trade.id] = trade.version
            if trade.profile_id in self.locked:
                locked.add(trade.symbol)
        now: dict[str, dict[int, int]] = {}
        for trade in self.ledger.trades.values():
            if trade.status in HOLDING_TRADE_STATUSES and trade.open_quantity > 0:
                now.setdefault(trade.symbol, {})[trade.id] = trade.version
        symbols = {
            symbol
            for symbol, slices in judged.items()
            if symbol not in locked and now.get(symbol) == slices
        }
        return [
            change for change in changes if change.trade is None or change.trade.symbol in symbols
        ]

    def parity_books(self, as_of: datetime) -> ParityBooks:
        """Return the books that a heartbeat decides on."""
        ledger = self.ledger
        since = as_of - self.conf.inflight_grace
        slices = tuple(
            trade
            for trade in ledger.trades.values()
            if trade.status in HOLDING_TRADE_STATUSES and trade.open_quantity > 0
        )
        held = {trade.id for trade in slices}
        symbols = {trade.symbol for trade in slices}
        moments = [
            *((o.symbol, o.last_activity_at) for o in ledger.orders.values()),
            *((t.symbol, t.last_activity_at) for t in ledger.trades.values()),
            *((k.fill.symbol, k.fill.executed_at) for k in ledger.fills.values()),
        ]
        return ParityBooks(
            profiles=ledger.profiles,
            disabled=frozenset(),
            slices=slices,
            streaks=self.streaks,
            accepted=self.accepted,
            open_mismatches=(),
            waiting={
                each.trade_id: WaitingReview(
                    trade_id=each.trade_id, reason=each.reason, evidence_hash=each.hash
                )
                for each in ledger.questions
                if each.status == "waiting" and each.trade_id in held and each.reason != "OVERCLOSE"
            },
            answered=frozenset(
                (each.trade_id, each.hash) for each in ledger.questions if each.status == "rejected"
            ),
            closing_fills=tuple(
                kept
                for key in ledger.unbooked
                if not (kept := ledger.fills[key]).set_aside and kept.fill.symbol in symbols
            ),
            last_activity={symbol: at for symbol, at in moments if at is not None and at > since},
        )

    def _compare(
        self,
        books: ParityBooks,
        read: HoldingsRead,
        before: dict[PositionKey, Streak],
    ) -> dict[PositionKey, Sighting]:
        holdings, _ = make_holdings(
            read, books, self.instruments, self.reader.as_gateway, is_hedged=self.ledger.is_hedged
        )
        return {
            key: self._see(item, books, read, before.get(key, NEW))
            for key, item in holdings.items()
        }

    def _see(
        self, item: Holding, books: ParityBooks, read: HoldingsRead, before: Streak
    ) -> Sighting:
        finding = compare(item, dust_usd=self.conf.dust_notional_usd)
        kind = finding.kind
        if not item.symbols.isdisjoint(books.last_activity):
            held = None
            if must_judge(before):
                held = ask_again(self.reader.as_gateway, item.key, self.instruments)
            if held is None or held != item.actual:
                kind = ParityKind.FRESH
        return Sighting(
            finding=finding,
            kind=kind,
            streak=count_sighting(
                before,
                kind=kind,
                fingerprint=finding.fingerprint,
                as_of=read.as_of,
                interval=self.conf.interval,
            ),
        )

    def _confirmed(self, seen: dict[PositionKey, Sighting], books: ParityBooks) -> list[Finding]:
        found = []
        for each in seen.values():
            if each.kind not in OF_SLICES or each.finding.is_shared:
                continue
            if each.streak.count < self.conf.parity_confirmations:
                continue
            due = without_answered(each.finding, books)
            if due is not None:
                found.append(due)
        return found

    def _judge(
        self, confirmed: Sequence[Finding], books: ParityBooks, read: HoldingsRead
    ) -> list[tuple[TradeState, Finding, verdicts.Verdict]]:
        """Return the verdict on each slice of confirmed findings: the ordered steps."""
        judged: list[tuple[TradeState, Finding, verdicts.Verdict]] = []
        ghosts: dict[int, tuple[TradeState, Finding]] = {}
        found: dict[int, verdicts.Verdict] = {}
        for finding in confirmed:
            if finding.kind != ParityKind.GHOST_POSITION:
                reason = verdicts.reason_of(finding.kind)
                judged += [
                    (share.trade, finding, verdicts.PutBefore(reason=reason))
                    for share in finding.shares
                ]
                continue
            held = ask_again(
                self.reader.as_gateway,
                finding.holding.key,
                self.instruments,
                worth=worth_of(finding),
            )
            is_gone = None
            if held is not None:
                is_gone = is_effectively_zero(
                    held, finding.holding, dust_usd=self.conf.dust_notional_usd
                )
            for share in finding.shares:
                facts = self._facts(share.trade, finding, is_gone, books, read)
                ghosts[share.trade.id] = (share.trade, finding)
                found[share.trade.id] = verdicts.judge_ghost(
                    facts, require_attribution=self.conf.require_subtag_attribution
                )
        limited = verdicts.limit_closes(found, most=self.conf.max_auto_closes)
        return [*judged, *((*ghosts[key], verdict) for key, verdict in limited.items())]

    def _facts(
        self,
        trade: TradeState,
        finding: Finding,
        is_gone: bool | None,
        books: ParityBooks,
        read: HoldingsRead,
    ) -> verdicts.GhostFacts:
        evidence = self._entry_evidence(trade)
        fills = closing_fills_of(trade, books.closing_fills)
        coverage = None
        window = (min(trade.opened_at, read.as_of), read.as_of)
        is_read = read.fills[InstrumentType.SWAP] is None
        if is_read and covers(window, self.reader.proven):
            coverage = CoverageStatus.PROVEN
        return verdicts.GhostFacts(
            is_gone=is_gone,
            unresolved=(
                *(kept.fill.fill_id for kept in fills),
                *(str(order.id) for order in unresolved_orders(trade, evidence)),
            ),
            is_attributed=is_attributed(
                trade, evidence, books.profiles, self.conf.client_order_id_pattern
            ),
            coverage=coverage,
            mark=finding.holding.mark,
        )

    def _entry_evidence(self, trade: TradeState) -> EntryEvidence:
        """Return the orders of a slice, and the fills of its entries: named, or its orders'."""
        ledger = self.ledger
        orders = tuple(each for each in ledger.orders.values() if each.trade_id == trade.id)
        rows = [r for r in ledger.rows_of.get(trade.id, ()) if r.kind == HistoryKind.ENTRY]
        names = {row.fill_id for row in rows} - {None}
        ids = {order.exchange_order_id for order in orders if order.purpose == Purpose.ENTRY} - {
            None
        }
        side = trade.side_of(Purpose.ENTRY)
        fills: tuple[KeptFill, ...] = tuple(
            kept
            for kept in ledger.fills.values()
            if kept.fill.symbol == trade.symbol
            and kept.fill.side == side
            and (kept.fill.fill_id in names or kept.fill.exchange_order_id in ids)
        )
        return EntryEvidence(orders=orders, entry_fills=fills)

    def drift_of(self, key: PositionKey) -> Decimal:
        """Return what the last heartbeat saw of a position: exchange − database."""
        each = self.sightings.get(key)
        return ZERO if each is None else each.finding.drift
