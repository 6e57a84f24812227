"""What of the books contradicts what is true at the exchange, in words; nothing is a pass."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cached_property

from reconciliation.domain.amounts import ZERO, total
from reconciliation.domain.audit import verify
from reconciliation.enums import (
    HOLDING_TRADE_STATUSES,
    TERMINAL_ORDER_STATUSES,
    Direction,
    HistoryKind,
    MismatchStatus,
    OrderClass,
    OrderStatus,
    Purpose,
    TradeStatus,
)
from reconciliation.models import (
    AuditEvent,
    ExchangeAccount,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    OrderLeg,
    Position,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.audit import ChainReader
from tests.cycles.storms.tickets import Ticket, Truth


class Ledger:
    """The rows of one account, each kind read once, when it is first asked for."""

    def __init__(self, account: ExchangeAccount) -> None:
        self.account = account
        self.orders = list(Order.objects.filter(account=account).select_related("trade"))
        self._by_client_id = {row.client_order_id: row for row in self.orders}
        self._by_exchange_id = {row.exchange_order_id: row for row in self.orders}

    @cached_property
    def trades(self) -> dict[str, Trade]:
        """Return the trades by trade id."""
        return {row.trade_id: row for row in Trade.objects.filter(account=self.account)}

    @cached_property
    def fills(self) -> list[Fill]:
        """Return the fills that were kept."""
        return list(Fill.objects.filter(account=self.account))

    @cached_property
    def history(self) -> list[TradeHistory]:
        """Return the history of all trades."""
        rows = TradeHistory.objects.filter(trade__account=self.account)
        return list(rows.select_related("trade"))

    @cached_property
    def allocations(self) -> list[FillAllocation]:
        """Return what of which fill is booked to which trade."""
        rows = FillAllocation.objects.filter(trade__account=self.account)
        return list(rows.select_related("fill", "history", "trade"))

    @cached_property
    def legs(self) -> set[str]:
        """Return the exchange ids of orders known to be parts of others."""
        legs = OrderLeg.objects.filter(account=self.account)
        return set(legs.values_list("exchange_order_id", flat=True))

    @cached_property
    def last_words(self) -> dict[str, str]:
        """Return by order the last action that may have ended it."""
        events = AuditEvent.objects.filter(
            account_name=self.account.name,
            object_type="order",
            action__in=["order.delivered", "order.canceled"],
        )
        return dict(events.order_by("sequence").values_list("object_id", "action"))

    def was_ended_by_portal(self, order: Order) -> bool:
        """Return whether the portal, and not its bot, had the last word on how an order ended."""
        return self.last_words.get(str(order.pk)) != "order.delivered"

    def order_of(self, ticket: Ticket) -> Order | None:
        """Return the row of a ticket: by client order id, else by exchange order id."""
        named = self._by_client_id.get(ticket.client_order_id or "")
        return named or self._by_exchange_id.get(ticket.exchange_order_id or "")

    def trade_of(self, ticket: Ticket) -> Trade | None:
        """Return the trade of a ticket, also one that was opened for an adopted order."""
        order = self.order_of(ticket)
        return self.trades.get(ticket.trade_id) if order is None else order.trade


def find_wrong_writes(truth: Truth) -> list[str]:
    """Return what the books say that is not so: too much, twice, of another, ended too early.

    What they do not know yet is not wrong.
    """
    ledger = Ledger(truth.account)
    return [
        *_false_fills(truth, ledger),
        *_false_allocations(truth, ledger),
        *_false_quantities(truth, ledger),
        *_false_ends(truth, ledger),
        *_false_resolutions(truth, ledger),
    ]


def find_disagreements(truth: Truth) -> list[str]:
    """Return in what the books differ from the exchange, once everything could be known."""
    ledger = Ledger(truth.account)
    return [
        *find_wrong_writes(truth),
        *_orders_apart(truth, ledger),
        *_trades_apart(truth, ledger),
        *_positions_apart(truth),
    ]


def check_chain() -> list[str]:
    """Return what is wrong with the audit chain."""
    reader = ChainReader()
    report = verify(reader.rows(), head=reader.head)
    return [] if report.intact else [f"the audit chain is broken: {report.detail}"]


def _false_fills(truth: Truth, ledger: Ledger) -> Iterator[str]:
    real = {(fill.symbol, fill.side, fill.fill_id): fill for fill in truth.paper.fills()}
    for row in ledger.fills:
        fill = real.get((row.symbol, row.side, row.exchange_fill_id))
        if fill is None:
            yield f"fill {row.exchange_fill_id} was kept and never happened"
        elif (row.quantity, row.price, row.exchange_order_id) != (
            fill.quantity,
            fill.price,
            fill.exchange_order_id,
        ):
            yield f"fill {row.exchange_fill_id} was kept with other numbers"


def _false_allocations(truth: Truth, ledger: Ledger) -> Iterator[str]:
    owners = {fill.fill_id: ticket for ticket in truth.tickets for fill in truth.fills(ticket)}
    consumed: dict[int, Decimal] = {}
    for each in ledger.allocations:
        signed = -each.quantity if each.released else each.quantity
        consumed[each.fill_id] = consumed.get(each.fill_id, ZERO) + signed
        owner = owners.get(each.fill.exchange_fill_id)
        if owner is None:
            yield f"fill {each.fill} of nobody is booked to {each.trade}"
        elif ledger.trade_of(owner) != each.trade:
            yield f"fill {each.fill} of {owner.trade_id} is booked to {each.trade}"
        elif owner.purpose != each.history.kind:
            yield f"fill {each.fill}, an {owner.purpose}, is booked as {each.history.kind}"
    for row in ledger.fills:
        booked = consumed.get(row.pk, ZERO)
        if not booked == row.allocated_quantity <= row.quantity:
            yield f"fill {row} of {row.quantity} is booked {booked}, {row.allocated_quantity} noted"


def _false_quantities(truth: Truth, ledger: Ledger) -> Iterator[str]:
    booked: dict[tuple[int, str], Decimal] = {}
    taken_back = {row.reverses_id for row in ledger.history}
    for row in ledger.history:
        if row.pk in taken_back:
            continue
        key = (row.trade_id, row.kind)
        booked[key] = booked.get(key, ZERO) + row.booked_quantity
    for trade in ledger.trades.values():
        for kind, held in (("ENTRY", trade.entry_quantity), ("EXIT", trade.exit_quantity)):
            of_rows = booked.get((trade.pk, HistoryKind(kind)), ZERO)
            if held != of_rows:
                yield f"{trade}: {kind} is {held}, its history sums to {of_rows}"
            moved = _moved(truth, ledger, trade, Purpose(kind))
            step = truth.paper.instrument(trade.symbol).quantity_step
            # A residue below one step is closed as dust, which no fill stands for.
            dust = step if kind == "EXIT" and ":" not in trade.symbol else ZERO
            if held > moved and not held - moved < dust:
                yield f"{trade}: {kind} is {held}, of {moved} that happened"
    for ticket in truth.tickets:
        order = ledger.order_of(ticket)
        if order is not None and order.filled_quantity > truth.filled(ticket):
            yield f"{order}: filled {order.filled_quantity} of {truth.filled(ticket)} that happened"


def _false_ends(truth: Truth, ledger: Ledger) -> Iterator[str]:
    for ticket in truth.tickets:
        order = ledger.order_of(ticket)
        if order is None or order.status not in TERMINAL_ORDER_STATUSES:
            continue
        if not ledger.was_ended_by_portal(order):
            continue  # its bot's word, which is held against the exchange later
        if not truth.is_over(ticket) and order.filled_quantity < order.quantity:
            yield f"{order} of {ticket.trade_id} was ended as {order.status} and lives"
        elif order.status == OrderStatus.CANCELED and order.filled_quantity < truth.filled(ticket):
            yield f"{order} of {ticket.trade_id} was ended before all its fills were booked"
    for trade in ledger.trades.values():
        if trade.status == trade.delivered_status:
            continue
        entries = _tickets(truth, ledger, trade, Purpose.ENTRY)
        if trade.status == TradeStatus.CANCELED and (
            any(truth.fills(each) for each in entries)
            or not all(truth.is_over(each) for each in entries)
        ):
            yield f"{trade} was canceled and has an entry that lives, or was filled"


def _false_resolutions(truth: Truth, ledger: Ledger) -> Iterator[str]:
    """A difference that is gone "because both sides agree" while its order still differs.

    Another difference of the same order has a row of its own, so only the newest speaks.
    """
    tickets = {
        order.pk: ticket
        for ticket in truth.tickets
        if (order := ledger.order_of(ticket)) is not None
    }
    newest: dict[int, Mismatch] = {}
    for row in Mismatch.objects.filter(account=truth.account, order__isnull=False).order_by("pk"):
        newest[row.order_id or 0] = row
    for row in newest.values():
        ticket, order = tickets.get(row.order_id or 0), None
        if row.status == MismatchStatus.RESOLVED and row.resolution.startswith("both sides"):
            order = None if ticket is None else ledger.order_of(ticket)
        if ticket is None or order is None or not truth.is_over(ticket):
            continue
        if order.status not in TERMINAL_ORDER_STATUSES:
            yield f"{row} was called resolved and {order} is still {order.status}"


def _orders_apart(truth: Truth, ledger: Ledger) -> Iterator[str]:
    for ticket in truth.tickets:
        order = ledger.order_of(ticket)
        if order is None:
            if _must_be_adopted(truth, ticket):
                yield f"the order of {ticket.trade_id}, {ticket.purpose}, is not in the books"
            continue
        wanted = truth.statuses(ticket, order.quantity)
        if order.status not in wanted:
            yield f"{order} of {ticket.trade_id}: {order.status}, at the exchange {wanted}"
        if order.filled_quantity != truth.filled(ticket):
            filled = truth.filled(ticket)
            yield f"{order} of {ticket.trade_id}: filled {order.filled_quantity} of {filled}"


def _must_be_adopted(truth: Truth, ticket: Ticket) -> bool:
    """Return whether an order that nobody delivered is proven to be its profile's.

    One that ended unfilled leaves no trace, a tag alone does not prove an entry, the fills of an
    exit are the backfill's, the child that an algo order triggered names no trade, and of an order
    that is forgotten nobody can say what it was.
    """
    if not truth.is_over(ticket):
        return ticket.order_class == OrderClass.REGULAR or len(truth.legs(ticket)) == 1
    is_proven = ticket.purpose == Purpose.ENTRY and ticket.client_order_id is not None
    return is_proven and truth.filled(ticket) > 0 and not truth.is_forgotten(ticket)


def _trades_apart(truth: Truth, ledger: Ledger) -> Iterator[str]:
    """Trades that lack something which could be booked; what is too much is a wrong write."""
    for trade in ledger.trades.values():
        held = (trade.entry_quantity, trade.exit_quantity)
        entry = _moved(truth, ledger, trade, Purpose.ENTRY, bookable=True)
        exit_ = min(_moved(truth, ledger, trade, Purpose.EXIT, bookable=True), held[0])
        if 0 < held[0] - exit_ < _dust(truth, trade) and exit_ > 0:
            exit_ = held[0]
        if held[0] < entry or held[1] < exit_:
            yield f"{trade}: {held[0]} − {held[1]}, at the exchange {entry} − {exit_}"
        entries = _tickets(truth, ledger, trade, Purpose.ENTRY)
        wanted = _trade_status(truth, entries, *held)
        if trade.status != wanted and not _waits_for_its_bot(ledger, trade, entries):
            yield f"{trade} is {trade.status}, by the exchange {wanted}"


def _waits_for_its_bot(ledger: Ledger, trade: Trade, entries: Iterable[Ticket]) -> bool:
    """Return whether a trade without entry is its bot's to cancel: it ended the entry itself."""
    rows = [ledger.order_of(each) for each in entries]
    return trade.status == TradeStatus.PENDING and any(
        row is not None and not ledger.was_ended_by_portal(row) for row in rows
    )


def _dust(truth: Truth, trade: Trade) -> Decimal:
    instrument = truth.paper.instrument(trade.symbol)
    return ZERO if instrument.is_swap else instrument.quantity_step


def _trade_status(
    truth: Truth, entries: Iterable[Ticket], entry: Decimal, exit_: Decimal
) -> TradeStatus:
    if entry > 0:
        return TradeStatus.CLOSED if entry == exit_ else TradeStatus.OPEN
    known = list(entries)
    ended = bool(known) and all(truth.is_over(each) for each in known)
    return TradeStatus.CANCELED if ended else TradeStatus.PENDING


def _positions_apart(truth: Truth) -> Iterator[str]:
    """Position rows that are not the sum of their slices, where the exchange holds that sum.

    Elsewhere a delivered row stands beside the slices: nobody can say which of the two is right.
    """
    hedged = truth.paper.position_mode == "hedge"
    slices: dict[tuple[int, str, str], Decimal] = {}
    sums: dict[tuple[str, str], Decimal] = {}
    for trade in Trade.objects.filter(account=truth.account, status__in=HOLDING_TRADE_STATUSES):
        open_quantity = trade.entry_quantity - trade.exit_quantity
        signed = open_quantity if trade.direction == Direction.LONG else -open_quantity
        side = trade.direction if hedged else "net"
        key = (trade.profile_id, trade.symbol, trade.direction)
        slices[key] = slices.get(key, ZERO) + signed
        sums[trade.symbol, side] = sums.get((trade.symbol, side), ZERO) + signed
    held = {each.key: each.signed for each in truth.paper.positions()}
    for row in Position.objects.filter(profile__account=truth.account):
        expected = slices.pop((row.profile_id, row.symbol, row.direction), ZERO)
        key = (row.symbol, row.direction if hedged else "net")
        is_swap = truth.paper.instrument(row.symbol).is_swap
        if is_swap and held.get(key, ZERO) == sums.get(key, ZERO) and row.quantity != expected:
            yield f"position {row} is {row.quantity}, its slices sum to {expected}"
    yield from (f"position {key} of {sum_} has no row" for key, sum_ in slices.items() if sum_)


def _tickets(truth: Truth, ledger: Ledger, trade: Trade, purpose: Purpose) -> list[Ticket]:
    return [
        each
        for each in truth.tickets
        if each.purpose == purpose
        and ledger.order_of(each) is not None
        and ledger.trade_of(each) == trade
    ]


def _moved(
    truth: Truth, ledger: Ledger, trade: Trade, purpose: Purpose, *, bookable: bool = False
) -> Decimal:
    """Return what moved a trade; `bookable` leaves out what nothing names but its bot.

    Those are the fills of a child that was triggered when its algo order was over for its bot.
    """
    return total(
        truth.net(fill)
        for ticket in _tickets(truth, ledger, trade, purpose)
        for fill in truth.fills(ticket)
        if not bookable
        or ticket.order_class == OrderClass.REGULAR
        or fill.exchange_order_id in ledger.legs
    )
