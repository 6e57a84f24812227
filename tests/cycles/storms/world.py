"""A small account on both sides: what its bots do at the exchange, and what they deliver of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from django.db import transaction

from reconciliation import conf
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Gateways, Ports, go_on
from reconciliation.cycles.reconcile import reconcile_account
from reconciliation.domain.audit import Actor
from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredTrade,
    Delivery,
)
from reconciliation.domain.keys import client_order_id
from reconciliation.enums import (
    ActorType,
    CycleStep,
    Direction,
    HistoryKind,
    OrderClass,
    OrderStatus,
    OrderType,
    PositionMode,
    PositionSide,
    Purpose,
)
from reconciliation.exchange.gateway import Gateway
from reconciliation.exchange.paper.book import (
    BUILT_IN_INSTRUMENTS,
    PaperAccount,
    PaperFill,
    PaperInstrument,
    PaperOrder,
)
from reconciliation.handlers.deliveries import DeliveryReport, deliver
from reconciliation.models import ExchangeAccount
from tests.builders import make_account, make_profile
from tests.cycles.storms.clock import WorldClock
from tests.cycles.storms.gateway import PaperGateway
from tests.cycles.storms.tickets import Ticket, Truth

BTC, ETH, SPOT = "BTC/USDT:USDT", "ETH/USDT:USDT", "BTC/USDT"
BOT = Actor(type=ActorType.BOT, id="bot", name="trading system")
PRICE = Decimal(60_000)
_DELIVERED = {
    "live": OrderStatus.OPEN,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
}
_numbers = count(1)


def make_conf(**environ: str) -> conf.Conf:
    """Return the settings, with these changed by their public names."""
    return conf.require(environ)


class OneGateway:
    """Gives the same gateway for every account."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    def of(self, account: ExchangeAccount) -> Gateway:
        return self.gateway


@contextmanager
def undone() -> Iterator[None]:
    """Undo on leaving all that was committed within.

    It is marked as a test case's own transaction, within which durable ones may be opened.
    """
    scope = transaction.atomic()
    scope._from_testcase = True  # type: ignore[attr-defined]
    with scope:
        yield
        transaction.set_rollback(True)


class World:
    """One account with two profiles, alpha and beta, on both sides."""

    def __init__(
        self,
        *,
        mode: PositionMode = PositionMode.NET,
        clock: WorldClock | None = None,
        name: str | None = None,
        environ: dict[str, str] | None = None,
        symbols: Sequence[str] = (BTC, ETH),
        options: dict[str, object] | None = None,
    ) -> None:
        name = name or f"account{next(_numbers)}"
        self.clock = clock or WorldClock()
        self.conf = make_conf(**(environ or {}))
        self.paper = PaperAccount(name, mode.value, _instruments(symbols), clock=self.clock.now)
        self.account = make_account(name, position_mode=mode, options=options or {})
        self.truth = Truth(self.account, self.paper, self.clock.now)
        self.start_gateway()
        self.sub_tags: dict[str, str] = {}
        for short in ("alpha", "beta"):
            profile = make_profile(f"{name}-{short}", account=self.account, sub_tag=f"{short}01")
            self.sub_tags[profile.name] = profile.sub_tag
        self.alpha, self.beta = self.sub_tags
        self._sequences: dict[tuple[str, Purpose], int] = {}

    def start_gateway(self) -> None:
        """Give the account a new gateway, as a process that starts does."""
        self.gateway = PaperGateway(self.truth, self.clock.now)
        self.gateways: Gateways = OneGateway(self.gateway)

    def ports(self, reach: Callable[[CycleStep], None] = go_on) -> Ports:
        """Return what a cycle needs."""
        return Ports(conf=self.conf, clock=self.clock, gateways=self.gateways, reach=reach)

    def cycle(self, reach: Callable[[CycleStep], None] = go_on) -> RunOutcome:
        """Run one cycle of the account."""
        return reconcile_account(account=self.account, ports=self.ports(reach))

    def place(
        self,
        *,
        trade_id: str,
        quantity: str | Decimal,
        profile: str | None = None,
        symbol: str = BTC,
        direction: Direction = Direction.LONG,
        purpose: Purpose = Purpose.ENTRY,
        order_class: OrderClass = OrderClass.REGULAR,
        with_client_id: bool = True,
        tag: bool = True,
        at: datetime | None = None,
        reaches_exchange: bool = True,
    ) -> Ticket:
        """Let a bot place an order; it has not told anybody yet."""
        owner = profile or self.alpha
        sub_tag = self.sub_tags[owner]
        instrument = self.paper.instrument(symbol)
        key = (trade_id, purpose)
        self._sequences[key] = self._sequences.get(key, 0) + 1
        own_id = client_order_id(
            sub_tag=sub_tag, trade_id=trade_id, purpose=purpose, sequence=self._sequences[key]
        )
        ticket = Ticket(
            profile=owner,
            sub_tag=sub_tag,
            trade_id=trade_id,
            symbol=symbol,
            direction=direction,
            purpose=purpose,
            quantity=Decimal(quantity),
            price=instrument.mark,
            created_at=at or self.clock.now(),
            client_order_id=own_id if with_client_id else None,
            exchange_order_id=None,
            order_class=order_class,
        )
        if reaches_exchange:
            placed = self.paper.place(
                symbol,
                ticket.side.value,
                ticket.quantity,
                ticket.price,
                client_order_id=ticket.client_order_id,
                tag=sub_tag if tag else None,
                position_side=self._position_side(ticket),
                order_class=order_class.value,
                trigger_price=None if order_class == OrderClass.REGULAR else ticket.price,
                at=at,
            )
            ticket = replace(ticket, exchange_order_id=placed.exchange_order_id)
        self.truth.tickets.append(ticket)
        return ticket

    def open_leg(self, ticket: Ticket) -> PaperOrder | None:
        """Return the order by which a ticket can be filled now, if any."""
        legs = self.truth.legs(ticket)
        return next((each for each in legs if each.is_open and not each.is_algo), None)

    def fill(self, ticket: Ticket, quantity: str | Decimal | None = None, **more: Any) -> PaperFill:
        """Execute the open order of a ticket, by default all that remains."""
        leg = self.open_leg(ticket)
        assert leg is not None
        amount = None if quantity is None else Decimal(quantity)
        return self.paper.fill(leg.exchange_order_id, amount, **more)

    def cancel(self, ticket: Ticket, at: datetime | None = None) -> None:
        """Cancel every open order of a ticket."""
        for leg in self.truth.legs(ticket):
            if leg.is_open:
                self.paper.cancel(leg.exchange_order_id, at=at)

    def replace(self, ticket: Ticket, quantity: str | Decimal, at: datetime | None = None) -> None:
        """Cancel a ticket's order and place another one under the same client order id."""
        self.cancel(ticket, at=at)
        self.paper.place(
            ticket.symbol,
            ticket.side.value,
            Decimal(quantity),
            ticket.price,
            client_order_id=ticket.client_order_id,
            tag=ticket.sub_tag,
            position_side=self._position_side(ticket),
            at=at,
        )

    def trigger(self, ticket: Ticket, at: datetime | None = None) -> None:
        """Trigger the algo order of a ticket."""
        assert ticket.exchange_order_id is not None
        self.paper.trigger(ticket.exchange_order_id, at=at)

    def news(
        self,
        ticket: Ticket,
        *fills: PaperFill,
        with_fill_ids: bool = True,
        with_order: bool = True,
        acknowledged: bool = True,
        as_placed: bool = False,
        parts: int = 1,
    ) -> Delivery:
        """Return what the bot of a ticket would deliver now: its trade, its order, these fills.

        `acknowledged=False` leaves out the exchange's id, `as_placed` all that happened since; of
        several `parts` of each fill its row tells one.
        """
        legs = self.truth.legs(ticket)
        newest = legs[-1] if legs else None
        known = None if newest is None or as_placed else newest
        algo_lives = known is not None and any(each.is_algo for each in legs) and len(legs) == 1
        status = OrderStatus.PENDING if newest is None or not acknowledged else OrderStatus.OPEN
        quantity, filled = ticket.quantity, Decimal(0)
        if known is not None:
            status = OrderStatus.OPEN if algo_lives and known.is_open else _DELIVERED[known.state]
            filled = self.truth.filled(ticket)
            if not known.is_algo:
                others = sum((each.filled for each in legs if each is not known), Decimal(0))
                quantity = known.quantity + others if known.parent is None else quantity
            if filled >= quantity:
                status = OrderStatus.FILLED
            elif filled and status == OrderStatus.OPEN:
                status = OrderStatus.PARTIALLY_FILLED
        order = DeliveredOrder(
            profile=ticket.profile,
            purpose=ticket.purpose,
            symbol=ticket.symbol,
            side=ticket.side,
            type=OrderType.LIMIT,
            status=status,
            quantity=quantity,
            filled_quantity=filled,
            created_at=ticket.created_at,
            trade_id=ticket.trade_id,
            price=ticket.price,
            average_price=ticket.price if filled else None,
            client_order_id=ticket.client_order_id,
            exchange_order_id=ticket.exchange_order_id if acknowledged else None,
            order_class=ticket.order_class,
            position_side=None
            if (side := self._position_side(ticket)) is None
            else PositionSide(side),
            sub_tag=ticket.sub_tag,
        )
        ref = ticket.client_order_id or ticket.exchange_order_id
        return Delivery(
            account=self.account.name,
            trades=(
                DeliveredTrade(
                    trade_id=ticket.trade_id,
                    profile=ticket.profile,
                    symbol=ticket.symbol,
                    direction=ticket.direction,
                    opened_at=self._opened_at(ticket),
                    sub_tag=ticket.sub_tag,
                ),
            ),
            orders=(order,),
            history=tuple(
                DeliveredHistory(
                    row_id=f"row-{fill.fill_id}",
                    trade_id=ticket.trade_id,
                    kind=HistoryKind(ticket.purpose),
                    quantity=self.truth.net(fill) / parts,
                    executed_at=fill.executed_at,
                    price=fill.price,
                    fee=fill.fee,
                    fee_currency=fill.fee_currency,
                    exchange_fill_id=fill.fill_id if with_fill_ids else None,
                    order_ref=ref if with_order else None,
                )
                for fill in fills
            ),
        )

    def tell(self, delivery: Delivery, *, at: datetime | None = None) -> DeliveryReport:
        """Let the portal take a delivery."""
        clock = self.clock if at is None else WorldClock(at)
        return deliver(delivery=delivery, actor=BOT, clock=clock, conf=self.conf)

    def ago(self, **by: float) -> datetime:
        """Return a moment before now."""
        return self.clock.now() - timedelta(**by)

    def _opened_at(self, ticket: Ticket) -> datetime:
        same = [each.created_at for each in self.truth.tickets if each.trade_id == ticket.trade_id]
        return min(same)

    def _position_side(self, ticket: Ticket) -> Any:
        hedged = self.account.position_mode == PositionMode.HEDGE and ":" in ticket.symbol
        return ticket.direction.value if hedged else None


def _instruments(symbols: Sequence[str]) -> dict[str, PaperInstrument]:
    return {symbol: BUILT_IN_INSTRUMENTS[symbol] for symbol in symbols}
