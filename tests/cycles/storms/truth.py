"""What is true at the exchange, and what of the books contradicts it.

A `Ticket` is an order as its bot means it; at the exchange it may be several orders: what replaced
it under the same client order id, the child that an algo order triggered. The checks return what is
wrong, in words; an empty list is a pass.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

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
    Side,
    TradeStatus,
)
from reconciliation.exchange.paper.book import PaperAccount, PaperFill, PaperOrder
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """An order of a bot. `exchange_order_id` is its first one, None where none was ever made."""

    profile: str
    sub_tag: str
    trade_id: str
    symbol: str
    direction: Direction
    purpose: Purpose
    quantity: Decimal
    price: Decimal
    created_at: datetime
    client_order_id: str | None
    exchange_order_id: str | None
    order_class: OrderClass = OrderClass.REGULAR

    @property
    def side(self) -> Side:
        """Return the side that enters or exits the trade."""
        buys = (self.direction == Direction.LONG) == (self.purpose == Purpose.ENTRY)
        return Side.BUY if buys else Side.SELL


class Truth:
    """The exchange's side of one account, by ticket and by trade."""

    def __init__(self, account: ExchangeAccount, paper: PaperAccount) -> None:
        self.account = account
        self.paper = paper
        self.tickets: list[Ticket] = []
        self._seen: object = None
        self._legs: dict[Ticket, list[PaperOrder]] = {}
        self._fills: dict[Ticket, list[PaperFill]] = {}

    def legs(self, ticket: Ticket) -> list[PaperOrder]:
        """Return the orders that a ticket is at the exchange, oldest first."""
        self._look()
        if ticket not in self._legs:
            orders = self.paper.orders()
            own = {
                each.exchange_order_id
                for each in orders
                if each.exchange_order_id == ticket.exchange_order_id
                or (ticket.client_order_id and each.client_order_id == ticket.client_order_id)
            }
            legs = [each for each in orders if each.exchange_order_id in own or each.parent in own]
            legs.sort(key=lambda each: (each.created_at, int(each.exchange_order_id)))
            self._legs[ticket] = legs
        return self._legs[ticket]

    def fills(self, ticket: Ticket) -> list[PaperFill]:
        """Return the fills of a ticket, also those that are not shown yet."""
        self._look()
        if ticket not in self._fills:
            ids = {each.exchange_order_id for each in self.legs(ticket)}
            self._fills[ticket] = [
                each for each in self.paper.fills() if each.exchange_order_id in ids
            ]
        return self._fills[ticket]

    def _look(self) -> None:
        """Forget what was worked out of an older state of the exchange."""
        view = self.paper.view()
        if view is not self._seen:
            self._seen, self._legs, self._fills = view, {}, {}

    def filled(self, ticket: Ticket) -> Decimal:
        """Return the gross quantity that was filled."""
        return total(fill.quantity for fill in self.fills(ticket))

    def is_over(self, ticket: Ticket) -> bool:
        """Return whether nothing of a ticket can be filled any more."""
        return not any(leg.is_open for leg in self.legs(ticket))

    def status(self, ticket: Ticket, quantity: Decimal) -> OrderStatus:
        """Return what an order of this quantity is, once everything is known."""
        filled = self.filled(ticket)
        if not self.is_over(ticket):
            return OrderStatus.PARTIALLY_FILLED if filled > 0 else OrderStatus.OPEN
        legs = self.legs(ticket)
        if filled >= quantity or (legs and legs[-1].state == "filled"):
            return OrderStatus.FILLED
        return OrderStatus.CANCELED

    def of_trade(self, trade_id: str, purpose: Purpose) -> list[Ticket]:
        """Return the orders that enter, or exit, a trade."""
        return [
            each for each in self.tickets if (each.trade_id, each.purpose) == (trade_id, purpose)
        ]

    def moved(self, trade_id: str, purpose: Purpose) -> Decimal:
        """Return the net quantity that entered, or left, a trade."""
        tickets = self.of_trade(trade_id, purpose)
        return total(self.net(fill) for ticket in tickets for fill in self.fills(ticket))

    def net(self, fill: PaperFill) -> Decimal:
        """Return what a fill moved the holding by: less, or more, the fee in base of spot."""
        instrument = self.paper.instrument(fill.symbol)
        if instrument.is_swap or fill.fee is None or fill.fee_currency != instrument.base:
            return fill.quantity
        return fill.quantity - fill.fee if fill.side == "buy" else fill.quantity + fill.fee


class Ledger:
    """The rows of one account, read once."""

    def __init__(self, account: ExchangeAccount) -> None:
        mine = {"account": account}
        self.trades = {row.trade_id: row for row in Trade.objects.filter(**mine)}
        self.orders = list(Order.objects.filter(**mine).select_related("trade"))
        self.fills = list(Fill.objects.filter(**mine))
        self._by_client_id = {row.client_order_id: row for row in self.orders}
        self._by_exchange_id = {row.exchange_order_id: row for row in self.orders}
        of_trade = {"trade__account": account}
        self.history = list(TradeHistory.objects.filter(**of_trade).select_related("trade"))
        self.allocations = list(
            FillAllocation.objects.filter(**of_trade).select_related("fill", "history", "trade")
        )
        legs = OrderLeg.objects.filter(account=account)
        self.legs = set(legs.values_list("exchange_order_id", flat=True))
        events = AuditEvent.objects.filter(
            account_name=account.name,
            object_type="order",
            action__in=["order.delivered", "order.canceled"],
        )
        self.last_words = dict(events.order_by("sequence").values_list("object_id", "action"))

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
    for row in ledger.history:
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
        wanted = truth.status(ticket, order.quantity)
        if order.status != wanted:
            yield f"{order} of {ticket.trade_id}: {order.status}, at the exchange {wanted}"
        if order.filled_quantity != truth.filled(ticket):
            filled = truth.filled(ticket)
            yield f"{order} of {ticket.trade_id}: filled {order.filled_quantity} of {filled}"


def _must_be_adopted(truth: Truth, ticket: Ticket) -> bool:
    """Return whether an order that nobody delivered is proven to be its profile's.

    One that ended unfilled leaves no trace, a tag alone does not prove an entry, the fills of an
    exit are the backfill's, and the child that an algo order triggered names no trade.
    """
    if not truth.is_over(ticket):
        return ticket.order_class == OrderClass.REGULAR or len(truth.legs(ticket)) == 1
    is_proven = ticket.purpose == Purpose.ENTRY and ticket.client_order_id is not None
    return is_proven and truth.filled(ticket) > 0


def _trades_apart(truth: Truth, ledger: Ledger) -> Iterator[str]:
    for trade in ledger.trades.values():
        entry = _moved(truth, ledger, trade, Purpose.ENTRY, bookable=True)
        exit_ = min(_moved(truth, ledger, trade, Purpose.EXIT, bookable=True), entry)
        if 0 < entry - exit_ < _dust(truth, trade) and exit_ > 0:
            exit_ = entry
        if (trade.entry_quantity, trade.exit_quantity) != (entry, exit_):
            found = f"{trade.entry_quantity} − {trade.exit_quantity}"
            yield f"{trade}: {found}, at the exchange {entry} − {exit_}"
        entries = _tickets(truth, ledger, trade, Purpose.ENTRY)
        wanted = _trade_status(truth, entries, entry, exit_)
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
    """Return what moved a trade; `bookable` leaves out what waits for the backfill.

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
