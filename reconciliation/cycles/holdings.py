"""Read what an account holds: positions, spot balances, marks; and ask again where it matters."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from reconciliation.cycles.ports import Ports
from reconciliation.cycles.snapshot import is_flat, read_account_fills, read_positions, timed
from reconciliation.domain.amounts import ZERO, product, total
from reconciliation.domain.books import TradeState
from reconciliation.domain.parity import Finding, Holding, PositionKey, gather_holdings
from reconciliation.domain.parity_books import ParityBooks
from reconciliation.domain.plans.parity import unexplained_before
from reconciliation.domain.types import ExchangePosition, Instrument, Unread
from reconciliation.enums import InstrumentType, ParityKind, PositionSide
from reconciliation.exchange.gateway import ExchangeError, Gateway, Unsupported
from reconciliation.models import ExchangeAccount

# Currencies whose unit is taken for a dollar where money figures are compared with USD limits.
USD_LIKE = frozenset({"USD", "USDT", "USDC", "FDUSD", "TUSD", "DAI", "USDE", "PYUSD"})
# The margin moves with the mark between two requests; more than this share of it is no such move.
MARGIN_NOISE = Decimal("0.01")
# No exchange lends more than some five hundred times the margin.
LEAST_MARGIN = Decimal("0.002")
HIDDEN = "the list of positions is empty, and the account's margin is in use"


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingsRead:
    """One reading of an account for the heartbeat; `as_of` is the moment before the first request.

    `positions` is None where the account has no derivatives, `balances` where it has no spot.
    """

    as_of: datetime
    fills: Mapping[InstrumentType, Unread | None]
    positions: tuple[ExchangePosition, ...] | Unread | None
    balances: Mapping[str, Decimal] | Unread | None
    read_at: datetime
    marks: dict[str, Decimal] = field(default_factory=dict)

    def has_any(self, *, is_spot_held: bool) -> bool:
        """Return whether anything was read that can be compared; balances only where spot is."""
        parts = [self.positions, self.balances if is_spot_held else None]
        return any(part is not None and not isinstance(part, Unread) for part in parts)

    def unread_parts(self, *, is_spot_held: bool) -> dict[str, str]:
        """Return the name of each part that was needed and not read, with the reason."""
        unread = {f"fills.{name}": part.reason for name, part in self.fills.items() if part}
        if isinstance(self.positions, Unread):
            unread["positions"] = self.positions.reason
        if isinstance(self.balances, Unread) and is_spot_held:
            unread["balance"] = self.balances.reason
        return unread


def read_holdings(
    *,
    account: ExchangeAccount,
    gateway: Gateway,
    ports: Ports,
    run_id: int,
    progress: Callable[[str], None],
    spent_ms: dict[str, int],
) -> HoldingsRead:
    """Read new fills, then what the account holds; what fails is unread, not empty.

    `spent_ms` takes how long each part took: the parts it names are those that were asked for.
    """
    as_of = ports.clock.now()
    fills = read_account_fills(
        account=account,
        gateway=gateway,
        ports=ports,
        run_id=run_id,
        as_of=as_of,
        progress=progress,
        spent_ms=spent_ms,
    )
    progress("reading positions")
    positions: tuple[ExchangePosition, ...] | Unread | None = None
    if InstrumentType.SWAP in gateway.instrument_types:
        with timed("positions", spent_ms, ports):
            positions = read_positions(gateway)
            if positions == () and not is_flat(gateway):
                positions = Unread(reason=HIDDEN)
    balances: Mapping[str, Decimal] | Unread | None = None
    if InstrumentType.SPOT in gateway.instrument_types:
        with timed("balance", spent_ms, ports):
            balances = _read_balances(gateway)
    return HoldingsRead(
        as_of=as_of,
        fills=fills,
        positions=positions,
        balances=balances,
        read_at=ports.clock.now(),
    )


def make_holdings(
    read: HoldingsRead,
    books: ParityBooks,
    instruments: Mapping[str, Instrument],
    gateway: Gateway,
    *,
    is_hedged: bool,
) -> tuple[dict[PositionKey, Holding], tuple[PositionKey, ...]]:
    """Return both sides of every position that was read, and those of which nothing is known."""
    spot = [trade for trade in books.slices if _is_spot(trade, instruments)]
    swaps = [trade for trade in books.slices if not _is_spot(trade, instruments)]
    holdings: dict[PositionKey, Holding] = {}
    unknown: list[PositionKey] = []
    marks = _Marks(gateway, read)
    shown: dict[PositionKey, ExchangePosition] = {}
    if read.positions is not None and not isinstance(read.positions, Unread):
        shown = {PositionKey(symbol=row.symbol, side=row.side): row for row in read.positions}
    # What was found before, and is on neither side now, is clean rather than forgotten.
    watched = {
        key: ZERO
        for key, streak in books.streaks.items()
        if streak.kind != ParityKind.CLEAN and not _is_spot_symbol(key.symbol, instruments)
    }
    gathered = gather_holdings(
        slices=swaps,
        positions=watched | {key: row.quantity for key, row in shown.items()},
        is_hedged=is_hedged,
    )
    for key, (slices, actual) in gathered.items():
        # Without its instrument a slice may be of any market: no row of a position is no proof.
        is_strange = bool(slices) and key.symbol not in instruments
        if read.positions is None or isinstance(read.positions, Unread) or is_strange:
            unknown.append(key)
            continue
        row = shown.get(key)
        holdings[key] = _holding(
            key,
            slices,
            actual,
            books=books,
            instrument=instruments.get(key.symbol),
            mark=marks.of(key.symbol, None if row is None else row.mark_price),
            row=row,
        )
    for key, slices, base in _spot_groups(spot, books, instruments):
        flow = books.flows.get(base)
        moved = ZERO if flow is None else flow.quantity
        if read.balances is None or isinstance(read.balances, Unread) or moved is None:
            unknown.append(key)
            continue
        holdings[key] = _holding(
            key,
            slices,
            read.balances.get(base, ZERO),
            books=books,
            instrument=instruments.get(key.symbol),
            mark=marks.of(key.symbol, None),
            flow=moved,
        )
    return holdings, tuple(unknown)


def ask_again(
    gateway: Gateway,
    key: PositionKey,
    instruments: Mapping[str, Instrument],
    *,
    worth: Decimal | None = None,
) -> Decimal | None:
    """Ask for one position by its symbol alone; return it, None where it is not known.

    Where the account's margin in use is more than all answered positions explain, it is not.
    """
    instrument = instruments.get(key.symbol)
    try:
        if instrument is not None and instrument.type == InstrumentType.SPOT:
            return gateway.fetch_balances().get(instrument.base, ZERO)
        rows = gateway.fetch_positions(key.symbol)
        if not _margin_is_explained(gateway, key.symbol, rows, worth):
            return None
    except ExchangeError:
        return None
    return total(row.quantity for row in rows if row.side == key.side)


def worth_of(finding: Finding) -> Decimal | None:
    """Return what a position in question is worth, in its quote currency; None without a mark."""
    mark = finding.holding.mark
    return None if mark is None else product(finding.drift, mark)


def _margin_is_explained(
    gateway: Gateway, symbol: str, rows: Iterable[ExchangePosition], worth: Decimal | None
) -> bool:
    """Return whether the answered positions explain the margin that the account has in use.

    What is left over may be the noise of two requests, and no more than the least margin that
    the position in question could take: beside large positions a small one is easily hidden.

    An exchange that does not tell cannot contradict; where a position does not say what it takes,
    only an account without any position can be checked.
    """
    try:
        in_use = total(gateway.fetch_margin_in_use().values())
    except Unsupported:
        return True
    others = [row for row in gateway.fetch_positions() if row.symbol != symbol]
    answered = [*rows, *others]
    margins = [row.initial_margin for row in answered]
    if any(margin is None for margin in margins):
        return bool(answered)
    explained = total(margin for margin in margins if margin is not None)
    noise = product(in_use, MARGIN_NOISE)
    if worth is not None:
        noise = min(noise, product(abs(worth), LEAST_MARGIN))
    return in_use - explained <= noise


class _Marks:
    """Marks by symbol: what a position's row says, else asked for once; None where that fails."""

    def __init__(self, gateway: Gateway, read: HoldingsRead) -> None:
        self._gateway = gateway
        self._known = read.marks

    def of(self, symbol: str, shown: Decimal | None) -> Decimal | None:
        if shown is not None:
            self._known[symbol] = shown
        if symbol not in self._known:
            try:
                self._known[symbol] = self._gateway.fetch_mark(symbol)
            except ExchangeError:
                return None
        return self._known[symbol]


def _read_balances(gateway: Gateway) -> Mapping[str, Decimal] | Unread:
    try:
        return gateway.fetch_balances()
    except ExchangeError as error:
        return Unread(reason=str(error))


def _is_spot(trade: TradeState, instruments: Mapping[str, Instrument]) -> bool:
    return _is_spot_symbol(trade.symbol, instruments)


def _is_spot_symbol(symbol: str, instruments: Mapping[str, Instrument]) -> bool:
    instrument = instruments.get(symbol)
    return instrument is not None and instrument.type == InstrumentType.SPOT


def _spot_groups(
    slices: Iterable[TradeState], books: ParityBooks, instruments: Mapping[str, Instrument]
) -> list[tuple[PositionKey, tuple[TradeState, ...], str]]:
    """Return the spot slices by base currency, under the first symbol that has it."""
    groups: dict[str, list[TradeState]] = {}
    symbols: dict[str, set[str]] = {}
    for symbol in books.spot_symbols:
        if symbol in instruments:
            base = instruments[symbol].base
            symbols.setdefault(base, set()).add(symbol)
            groups.setdefault(base, [])
    for trade in slices:
        groups[instruments[trade.symbol].base].append(trade)
    return [
        (
            PositionKey(symbol=_leading(symbols[base], held, books), side=PositionSide.NET),
            tuple(sorted(held, key=lambda trade: trade.id)),
            base,
        )
        for base, held in sorted(groups.items())
    ]


def _leading(symbols: set[str], slices: Iterable[TradeState], books: ParityBooks) -> str:
    """Return the symbol that stands for a currency: the one that did, else one that is held.

    What was counted, and what a person has ignored, goes by that symbol.
    """
    known = {key.symbol for key in (*books.accepted, *books.streaks)}
    return min(symbols & known or {trade.symbol for trade in slices} or symbols)


def _holding(
    key: PositionKey,
    slices: tuple[TradeState, ...],
    actual: Decimal,
    *,
    books: ParityBooks,
    instrument: Instrument | None,
    mark: Decimal | None,
    row: ExchangePosition | None = None,
    flow: Decimal = ZERO,
) -> Holding:
    return Holding(
        key=key,
        slices=slices,
        actual=actual,
        mark=mark,
        amount_step=None if instrument is None else instrument.amount_step,
        flow=flow,
        accepted=books.accepted.get(key, ZERO),
        unexplained=unexplained_before(books.open_mismatches, key),
        entry_price=None if row is None else row.entry_price,
        raw="" if row is None else row.raw,
        is_quoted_in_usd=instrument is None or instrument.quote in USD_LIKE,
    )
