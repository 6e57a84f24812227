"""One desk from its first cycle to its last, with the oracle's judgement on what the portal does.

A close is wrong when an exit that the machine booked without a person, synthetic or backfilled,
leaves a slice with less open than its profile truly holds, and with more exited than was truly
exited. What is truly held is the smaller of two moments: when the snapshot was taken, and when the
change is written. So a slice that is entered again within the grace is not held against it, and an
entry that the books do not know yet makes no true exit a wrong one.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from reconciliation.bench.bots import STYLES, Bot, Floor, Temper
from reconciliation.bench.delivering import Bundle, deliver, find_trade
from reconciliation.bench.ledger import Ledger
from reconciliation.bench.measures import Measures
from reconciliation.bench.operators import Operators
from reconciliation.bench.passes import Jobs
from reconciliation.bench.reading import FaultyReader
from reconciliation.bench.truth import TrueFill, TrueSlice, Venue
from reconciliation.conf import Conf
from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.books import ProfileState, TradeState
from reconciliation.domain.keys import trade_code
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.types import Instrument
from reconciliation.enums import (
    Direction,
    HistoryKind,
    HistorySource,
    InstrumentType,
    QuarantineReason,
    TradeStatus,
)

START = datetime(2026, 3, 2, tzinfo=UTC)
INTERVAL = timedelta(seconds=60)
HEARTBEAT_AFTER = timedelta(seconds=10)
STEP = Decimal("0.01")
PRICES = {"BTC/USDT:USDT": Decimal(60000), "ETH/USDT:USDT": Decimal(3000)}
TEMPERS = (0.0, 0.3, 1.0, 1.0, 2.0)
"""How much goes wrong at a desk, against the usual: some are quiet, some are bad."""


@dataclass(slots=True)
class Desk:
    """A desk: floor, exchange, portal and people, all from one seed."""

    seed: str
    conf: Conf
    trace: bool = False
    one_slice_a_tag: bool = True
    measures: Measures = field(default_factory=Measures)
    log: list[str] = field(default_factory=list)
    rng: Random = field(init=False)
    venue: Venue = field(init=False)
    ledger: Ledger = field(init=False)
    reader: FaultyReader = field(init=False)
    jobs: Jobs = field(init=False)
    floor: Floor = field(init=False)
    people: Operators = field(init=False)
    cycle: int = 0
    _names: dict[str, str] = field(default_factory=dict)
    _held_at: dict[str, Decimal] = field(default_factory=dict)
    _diverged: dict[str, int] = field(default_factory=dict)
    _fills_seen: int = 0

    def __post_init__(self) -> None:
        rng = self.rng = Random(self.seed)  # noqa: S311  (a simulation, no secret)
        factor = rng.choice(TEMPERS)
        self.venue = Venue(rng, is_hedged=rng.random() < 0.4, late_share=0.15 * factor)
        profiles = {
            number: ProfileState(id=number, name=f"p{number}", sub_tag=f"tag{number}")
            for number in range(1, rng.choice((1, 2, 2, 3, 4)) + 1)
        }
        symbols = tuple(PRICES)[: rng.choice((1, 1, 2))]
        prices = {symbol: PRICES[symbol] for symbol in symbols}
        self.floor = Floor(
            rng,
            self.venue,
            _temper(factor, rng),
            [_bot(profile, symbols, rng) for profile in profiles.values()],
            prices,
            STEP,
            one_slice_a_tag=self.one_slice_a_tag,
        )
        instruments = {symbol: _instrument(symbol) for symbol in symbols}
        self.ledger = Ledger(
            profiles,
            self.venue.is_hedged,
            dict.fromkeys(symbols, STEP),
            self._judge,
            self._names,
        )
        self.reader = FaultyReader(rng, self.venue, instruments, prices, 0.06 * factor)
        self.jobs = Jobs(self.conf, self.ledger, self.reader, instruments)
        self.people = Operators(
            rng, self.venue, self.ledger, self.jobs, patience=rng.choice((6, 20, 60))
        )

    def run(self, cycles: int) -> Measures:
        """Run so many cycles, then count what is left."""
        for number in range(cycles):
            self._step(number)
        self.measures.cycles, self.measures.desks = cycles, 1
        self.measures.slices, self.measures.fills = len(self.venue.slices), len(self.venue.fills)
        self.measures.still_open = len(self._diverged)
        self.measures.events["operator"] = self.people.decisions
        return self.measures

    def _step(self, number: int) -> None:
        self.cycle = self.ledger.cycle = self.floor.cycle = number
        as_of = START + INTERVAL * (number + 1)
        self.floor.act(as_of - INTERVAL, 59)
        self._deliver(as_of)
        rng = self.rng
        self.reader.begin()
        self._note(f"fault {self.reader.episode}" if self.reader.episode else "")
        self._hold()
        self.jobs.locked = frozenset(
            key for key in self.ledger.profiles if rng.random() < 0.01 * self.reader.fault_share
        )
        self.jobs.reconcile(as_of, writes=rng.random() > 0.1 * self.reader.fault_share)
        self._hold()
        if rng.random() < 0.1:
            self.floor.act(as_of, 9)
            self._deliver(as_of + HEARTBEAT_AFTER / 2)
        beat = as_of + HEARTBEAT_AFTER
        self.jobs.heartbeat(beat, writes=rng.random() > 0.1 * self.reader.fault_share)
        self.people.look(number, beat)
        self._measure()

    def _deliver(self, now: datetime) -> None:
        self._names.update(
            {
                trade_code(bot.profile.sub_tag, trade_id): trade_id
                for bot in self.floor.bots
                for trade_id in list(bot.told)[-4:]
            }
        )
        for bot in self.floor.bots:
            for bundle in self.floor.due(bot):
                deliver(self.ledger, bundle, bot.profile.id, now)
                if self.trace:
                    self._note(_bundle_in_words(bundle))

    def _hold(self) -> None:
        """Remember what is held at the moment of a snapshot."""
        self._held_at = {key: each.held for key, each in self.venue.slices.items()}
        if self.trace:
            for fill in self.venue.fills[self._fills_seen :]:
                self._note(_fill_in_words(fill))
            self._fills_seen = len(self.venue.fills)

    def _judge(self, change: Change) -> None:
        """Judge a change that is about to be written."""
        after = change.trade
        for draft in change.history:
            if draft.source == HistorySource.RECONCILED:
                self.measures.events["reconciled"] += 1
        if after is None:
            return
        held = self.venue.slices[self._names[after.code]]
        if self.trace:
            sources = [f"{d.kind} {d.source} {plain(d.quantity)}" for d in change.history]
            self._note(
                f"books of {held.trade_id}: {after.status} {plain(after.entry_quantity)} −"
                f" {plain(after.exit_quantity)}, truly held {plain(held.held)}; {sources}"
                f" {[review.reason for review in change.reviews]}"
            )
        self._count_status(after, held)
        for draft in change.history:
            if draft.kind == HistoryKind.EXIT and draft.source in _AUTOMATIC:
                self.measures.events[draft.source.lower()] += 1
                self._judge_close(after, held, draft.source)

    def _judge_close(self, after: TradeState, held: TrueSlice, source: HistorySource) -> None:
        truly = min(held.held, self._held_at.get(held.trade_id, ZERO))
        if after.open_quantity < truly and after.exit_quantity > held.exited:
            self.measures.wrong_closes.append(
                f"desk {self.seed}, cycle {self.cycle}: {held.trade_id} {held.direction}"
                f" {held.symbol} was exited by {source}: {plain(after.open_quantity)} open in the"
                f" books, {plain(truly)} truly held"
            )

    def _count_status(self, after: TradeState, held: TrueSlice) -> None:
        before = self.ledger.trades.get(after.id)
        was = None if before is None else before.status
        if after.status == TradeStatus.QUARANTINED and was != TradeStatus.QUARANTINED:
            self.measures.events["quarantined"] += 1
            if after.open_quantity == held.held and not held.is_elsewhere:
                self.measures.events["wrong_quarantined"] += 1
        if was == TradeStatus.QUARANTINED and after.status == TradeStatus.OPEN:
            self.measures.events["released"] += 1

    def _measure(self) -> None:
        """Compare truth and books, and count how long they took to agree again."""
        tags = {bot.profile.id: bot.profile.sub_tag for bot in self.floor.bots}
        asked = {
            each.trade_id
            for each in self.ledger.questions_waiting()
            if each.reason != QuarantineReason.OVERCLOSE
        }
        open_in_books = {
            self._names[trade.code]: trade.open_quantity for trade in self.ledger.trades.values()
        }
        for trade_id, held in self.venue.slices.items():
            should = ZERO if held.is_elsewhere else held.held
            if open_in_books.get(trade_id, ZERO) != should:
                self._diverged.setdefault(trade_id, self.cycle)
            elif trade_id in self._diverged:
                took = self.cycle - self._diverged.pop(trade_id)
                by_person = trade_id in self.people.touched
                counts = self.measures.healed_by_person if by_person else self.measures.healed
                counts[took] += 1
                self.people.touched.discard(trade_id)
            else:
                self.people.touched.discard(trade_id)
        for trade in self.ledger.trades.values():
            if trade.status == TradeStatus.QUARANTINED and trade.id not in asked:
                self.measures.events["stuck"] += 1
        if self.trace:
            for trade_id in self._diverged:
                profile = self.venue.slices[trade_id].profile_id
                self._note(
                    f"differs: {trade_id} {find_trade(self.ledger, trade_id, tags[profile])}"
                )

    def _note(self, text: str) -> None:
        if self.trace and text:
            self.log.append(f"{self.cycle:4d} {text}")


def _fill_in_words(each: TrueFill) -> str:
    fill = each.fill
    owners = ", ".join(f"{plain(quantity)} of {owner}" for owner, quantity in each.owners)
    return (
        f"fill {fill.fill_id} {fill.kind} {fill.side} {plain(fill.quantity)} {fill.symbol}"
        f" {fill.position_side} at {fill.executed_at:%H:%M:%S}, shown {each.visible_at:%H:%M:%S};"
        f" order {fill.exchange_order_id}, client id {fill.client_order_id}, tag {fill.sub_tag};"
        f" truly {each.purpose} {owners}"
    )


def _bundle_in_words(bundle: Bundle) -> str:
    trade, order, row = bundle.trade, bundle.order, bundle.history
    parts = [f"delivered {trade.trade_id} {trade.direction} {trade.symbol}"]
    if order is not None:
        parts.append(
            f"order {order.exchange_order_id} {order.purpose} {order.status}"
            f" {plain(order.filled_quantity)}/{plain(order.quantity)}"
        )
    if row is not None:
        parts.append(f"row {row.row_id} {row.kind} {plain(row.quantity)} {row.exchange_fill_id}")
    return ", ".join(parts)


_AUTOMATIC = frozenset({HistorySource.SYNTHETIC, HistorySource.BACKFILL})


def _temper(factor: float, rng: Random) -> Temper:
    return Temper(
        lost=0.05 * factor,
        late=0.15 * factor,
        repeated=0.1 * factor,
        nameless=rng.choice((0.0, 0.3, 1.0)),
        restart=0.01 * factor,
        by_hand=0.03 * factor,
        liquidation=0.004 * factor,
        stranger=0.02 * factor,
        phantom=0.004 * factor,
        elsewhere=0.004 * factor,
        busy=rng.choice((0.05, 0.15, 0.3)),
    )


def _bot(profile: ProfileState, symbols: tuple[str, ...], rng: Random) -> Bot:
    directions = rng.choice(
        ((Direction.LONG,), (Direction.LONG,), (Direction.SHORT,), tuple(Direction))
    )
    return Bot(profile=profile, style=rng.choice(STYLES), symbols=symbols, directions=directions)


def _instrument(symbol: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        type=InstrumentType.SWAP,
        base=symbol.split("/")[0],
        quote="USDT",
        contract_size=Decimal(1),
        amount_step=STEP,
        price_tick=Decimal("0.1"),
    )
