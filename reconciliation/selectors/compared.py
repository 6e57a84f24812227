"""What each account holds against its slices: the books of now beside the last comparison.

A position is an account's symbol, and in hedge mode its side. The number of queries is constant;
each reads what is open now, or one row a position.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import product, total
from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    PARITY_MISMATCH_KINDS,
    Direction,
    MismatchStatus,
    ParityKind,
    PositionMode,
    PositionSide,
    RunKind,
)
from reconciliation.models import (
    ExchangeAccount,
    Mismatch,
    ParityReading,
    ParityWatch,
    ReviewItem,
    Trade,
)
from reconciliation.selectors.loop import AccountLoop

MOST_SLICES = 5_000
_Key = tuple[int, str, str]


@dataclass(slots=True, kw_only=True)
class Compared:
    """One position, as far as it is known.

    `slices` are the open ones of now. `reading` is what the last heartbeat saw, where that was not
    simply equal; without one, `watch` says that both sides agreed, and without a watch nobody has
    compared the position yet.
    """

    account: ExchangeAccount
    symbol: str
    side: PositionSide
    slices: list[Trade] = field(default_factory=list)
    watch: ParityWatch | None = None
    reading: ParityReading | None = None
    mismatches: list[Mismatch] = field(default_factory=list)
    reviews: list[ReviewItem] = field(default_factory=list)

    @property
    def kind(self) -> ParityKind:
        """Return what the last comparison came to; UNKNOWN where there was none."""
        if self.reading is not None:
            return ParityKind(self.reading.kind)
        return ParityKind.UNKNOWN if self.watch is None else ParityKind(self.watch.kind)

    @property
    def virtual(self) -> Decimal | None:
        """Return the sum of the slices, signed, base units: as it was read, else as it is now."""
        if self.reading is not None:
            return self.reading.virtual_quantity
        return total(signed_open(trade) for trade in self.slices)

    @property
    def actual(self) -> Decimal | None:
        """Return what the exchange held when it was read; None where nobody knows."""
        return None if self.reading is None else self.reading.actual_quantity

    @property
    def drift(self) -> Decimal | None:
        """Return exchange − database, base units; None where one side is unknown."""
        if self.actual is None or self.virtual is None:
            return None
        return total([self.actual, -self.virtual])

    @property
    def notional_usd(self) -> Decimal | None:
        """Return what the drift is worth at the mark, without a sign; None without a mark."""
        mark = self.reading.mark if self.reading is not None else None
        if self.drift is None or mark is None:
            return None
        return product(abs(self.drift), mark)

    @property
    def as_of(self) -> datetime | None:
        """Return as of when the exchange was read for the last comparison."""
        if self.reading is not None:
            return self.reading.as_of
        return None if self.watch is None else self.watch.last_run.as_of

    @property
    def is_clean(self) -> bool:
        """Return whether the last comparison found nothing, and nothing of it is open."""
        return self.kind == ParityKind.CLEAN and not self.mismatches and not self.reviews


def signed_open(trade: Trade) -> Decimal:
    """Return the open quantity of a slice, negative for a short."""
    quantity = total([trade.entry_quantity, -trade.exit_quantity])
    return -quantity if trade.direction == Direction.SHORT else quantity


def load_compared(
    loops: Iterable[AccountLoop], accounts: Iterable[ExchangeAccount]
) -> list[Compared]:
    """Return the positions of accounts, by account, symbol and side: five queries.

    A streak that an earlier heartbeat left behind counts as long as a slice, a mismatch or a
    question of its position is open: what neither side holds any more is no position.
    """
    known = {account.pk: account for account in accounts}
    newest = {
        loop.account_id: run.pk
        for loop in loops
        if (run := loop.jobs[RunKind.HEARTBEAT].last_complete) is not None
    }
    books = _Books(known)
    for watch in ParityWatch.objects.filter(account__in=known).select_related("last_run"):
        books.position(watch.account_id, watch.symbol, watch.side).watch = watch
    books.read_slices()
    books.read_mismatches()
    books.read_reviews()
    books.forget_what_is_over(newest)
    books.read_readings()
    return [each for _, each in sorted(books.found.items(), key=lambda item: _place(item, known))]


def _place(item: tuple[_Key, Compared], known: dict[int, ExchangeAccount]) -> tuple[str, str, str]:
    (account_id, symbol, side), _ = item
    return known[account_id].name, symbol, side


def _is_current(each: Compared, newest: Mapping[int, int]) -> bool:
    return each.watch is not None and each.watch.last_run_id >= newest.get(each.account.pk, 0)


class _Books:
    """Positions by their key, while they are put together."""

    def __init__(self, known: dict[int, ExchangeAccount]) -> None:
        self.known = known
        self.found: dict[_Key, Compared] = {}
        self._by_trade: dict[int, Compared] = {}

    def position(self, account_id: int, symbol: str, side: str) -> Compared:
        key = (account_id, symbol, side)
        if key not in self.found:
            self.found[key] = Compared(
                account=self.known[account_id], symbol=symbol, side=PositionSide(side)
            )
        return self.found[key]

    def of_trade(self, trade: Trade) -> Compared:
        """Return the position of a slice; spot symbols of one currency share one."""
        hedged = self.known[trade.account_id].position_mode == PositionMode.HEDGE
        is_spot = ":" not in trade.symbol
        side = trade.direction if hedged and not is_spot else PositionSide.NET.value
        if is_spot and (trade.account_id, trade.symbol, side) not in self.found:
            base = f"{trade.symbol.partition('/')[0]}/"
            for (account_id, symbol, held_side), each in self.found.items():
                if (account_id, held_side) == (trade.account_id, side) and (
                    symbol.startswith(base) and ":" not in symbol
                ):
                    return each
        return self.position(trade.account_id, trade.symbol, side)

    def read_slices(self) -> None:
        rows = Trade.objects.filter(
            account__in=self.known, status__in=sorted(HOLDING_TRADE_STATUSES)
        )
        for trade in rows.select_related("profile").order_by("profile__name", "pk")[:MOST_SLICES]:
            place = self.of_trade(trade)
            place.slices.append(trade)
            self._by_trade[trade.pk] = place

    def forget_what_is_over(self, newest: Mapping[int, int]) -> None:
        """Drop the positions of which nothing is open, and that the newest heartbeat left out."""
        for key, each in list(self.found.items()):
            if not (each.slices or each.mismatches or each.reviews or _is_current(each, newest)):
                del self.found[key]

    def read_readings(self) -> None:
        """Read what the heartbeats saw that the watches were brought up to date by."""
        runs = {each.watch.last_run_id for each in self.found.values() if each.watch is not None}
        for reading in ParityReading.objects.filter(run__in=runs).defer("evidence"):
            place = self.found.get((reading.account_id, reading.symbol, reading.side))
            if place is None or place.watch is None or place.watch.last_run_id != reading.run_id:
                continue
            place.reading = reading

    def read_mismatches(self) -> None:
        rows = Mismatch.objects.current().filter(
            account__in=self.known,
            status=MismatchStatus.OPEN,
            kind__in=sorted(PARITY_MISMATCH_KINDS),
        )
        for row in rows.defer("database_side", "exchange_side").order_by("pk")[:MOST_SLICES]:
            place = self._by_trade.get(row.trade_id or 0) or self._of_symbol(row)
            place.mismatches.append(row)

    def _of_symbol(self, row: Mismatch) -> Compared:
        """Return the position of a mismatch of no slice: the first of its symbol that differs."""
        sides = [
            each
            for (account_id, symbol, _), each in self.found.items()
            if (account_id, symbol) == (row.account_id, row.symbol)
        ]
        differing = [each for each in sides if each.kind == row.kind]
        if differing or sides:
            return (differing or sides)[0]
        return self.position(row.account_id, row.symbol, PositionSide.NET)

    def read_reviews(self) -> None:
        rows = ReviewItem.objects.waiting().filter(account__in=self.known).defer("evidence")
        for row in rows.order_by("pk")[:MOST_SLICES]:
            if row.trade_id in self._by_trade:
                self._by_trade[row.trade_id].reviews.append(row)
