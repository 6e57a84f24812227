"""A cycle with something of everything to write, and the books as they must look afterwards."""

from collections import Counter
from decimal import Decimal

from reconciliation.domain.deliveries import DeliveredPosition, Delivery
from reconciliation.enums import Direction, OrderClass, Purpose
from reconciliation.models import (
    AuditEvent,
    CapitalBalance,
    ExternalOrder,
    Fill,
    FillAllocation,
    Mismatch,
    Order,
    OrderLeg,
    Position,
    ReviewItem,
    Trade,
    TradeHistory,
)
from tests.cycles.storms.truth import Ticket
from tests.cycles.storms.world import BTC, ETH, World

Rows = list[tuple[object, ...]]


class Killed(BaseException):
    """The end of a process, as it looks from within: no Exception, so nothing is handled."""


def make_scene() -> World:
    """Return a world of which a cycle books, ends, adopts, aligns, shows and asks a person."""
    world = World(name="main", symbols=(BTC, ETH))
    world.gateway.page_limit = 100
    alpha, beta = world.alpha, world.beta
    late = _order(world, alpha, "LATE", "0.5")
    fill = world.fill(late, at=world.ago(minutes=30), visible_from=world.clock.now())
    world.clock.advance(minutes=-1)
    world.cycle()  # leaves a difference open: the fill is not shown yet
    world.clock.advance(minutes=1)
    assert fill.visible_from == world.clock.now()

    for profile, name in ((alpha, "A"), (beta, "B")):
        _fill(world, _order(world, profile, f"{name}-ENTRY", "0.4"), "0.1", "0.3")
        world.cancel(_order(world, profile, f"{name}-CANCEL", "0.2"), at=world.ago(minutes=20))
        _held(world, profile, f"{name}-EXIT", "0.3")
        _fill(world, _order(world, profile, f"{name}-EXIT", "0.3", Purpose.EXIT), "0.3")
    _fill(world, _order(world, alpha, "PARTIAL", "0.6"), "0.2")
    _fill(world, _order(world, beta, "UNTOLD", "0.1", told=False), "0.1")
    _held(world, beta, "STOPPED", "0.7")
    stop = _order(world, beta, "STOPPED", "0.7", Purpose.EXIT, OrderClass.CONDITIONAL)
    world.trigger(stop, at=world.ago(minutes=15))
    world.fill(stop, at=world.ago(minutes=14))
    _held(world, alpha, "OVER", "0.2")
    _fill(world, _order(world, alpha, "OVER", "0.5", Purpose.EXIT), "0.5")
    flat = _held(world, alpha, "FLAT", "0.5", symbol=ETH)
    world.tell(_position(world, flat, "0.8"), at=world.ago(minutes=40))
    mark = world.paper.instrument(BTC).mark
    world.paper.place(BTC, "sell", Decimal("0.9"), mark, at=world.ago(hours=1))
    return world


def picture() -> dict[str, Rows]:
    """Return all that a cycle may have written, without what tells one run from another."""
    names = ("trade__trade_id", "kind", "source", "booked_quantity", "exchange_fill_id")
    actions = Counter(AuditEvent.objects.values_list("action", flat=True))
    # The run that is killed may have seen a mismatch once already.
    for action in ("run.taken_over", "escalation.opened", "escalation.resolved"):
        del actions[action]
    order = ("client_order_id", "exchange_order_id", "status", "filled_quantity", "version")
    trade = ("code", "status", "entry_quantity", "exit_quantity", "version")
    return {
        "orders": _rows(Order, *order),
        "trades": _rows(Trade, *trade),
        "history": _rows(TradeHistory, *names),
        "fills": _rows(Fill, "exchange_fill_id", "allocated_quantity"),
        "allocations": _rows(FillAllocation, "fill__exchange_fill_id", "quantity"),
        "positions": _rows(Position, "profile__name", "symbol", "direction", "quantity"),
        "legs": _rows(OrderLeg, "exchange_order_id", "kind"),
        "mismatches": _rows(Mismatch, "symbol", "kind", "status", "drift"),
        "reviews": _rows(ReviewItem, "trade__trade_id", "reason", "status", "quantity"),
        "external orders": _rows(ExternalOrder, "exchange_order_id", "status"),
        "capital": _rows(CapitalBalance, "profile__name", "reserved_usd", "used_usd"),
        "events": sorted(actions.items()),
    }


def _rows(model: type, *names: str) -> Rows:
    found = model.objects.order_by().values_list(*names)  # type: ignore[attr-defined]
    return sorted(found, key=str)


def _order(
    world: World,
    profile: str,
    trade_id: str,
    quantity: str,
    purpose: Purpose = Purpose.ENTRY,
    order_class: OrderClass = OrderClass.REGULAR,
    *,
    told: bool = True,
) -> Ticket:
    at = world.ago(hours=2)
    ticket = world.place(
        profile=profile,
        trade_id=trade_id,
        quantity=quantity,
        purpose=purpose,
        order_class=order_class,
        at=at,
    )
    if told:
        world.tell(world.news(ticket), at=at)
    return ticket


def _fill(world: World, ticket: Ticket, *quantities: str) -> None:
    for minutes, quantity in enumerate(quantities, start=20):
        world.fill(ticket, quantity, at=world.ago(minutes=minutes))


def _held(world: World, profile: str, trade_id: str, quantity: str, symbol: str = BTC) -> Ticket:
    at = world.ago(hours=3)
    ticket = world.place(
        profile=profile, trade_id=trade_id, quantity=quantity, symbol=symbol, at=at
    )
    world.tell(world.news(ticket, world.fill(ticket, at=at)), at=at)
    return ticket


def _position(world: World, ticket: Ticket, quantity: str) -> Delivery:
    position = DeliveredPosition(
        profile=ticket.profile,
        symbol=ticket.symbol,
        direction=Direction.LONG,
        quantity=Decimal(quantity),
    )
    return Delivery(account=world.account.name, positions=(position,))
