"""What must hold after every step of a storm, and what a step may not have done."""

import json
from decimal import Decimal
from typing import Any

from reconciliation.domain.amounts import ZERO
from reconciliation.enums import TERMINAL_ORDER_STATUSES, OrderStatus
from reconciliation.models import AuditEvent, Order, TradeHistory
from tests.cycles.storms.tickets import Ticket
from tests.cycles.storms.truth import Ledger, find_wrong_writes
from tests.cycles.storms.world import World
from tests.cycles.worlds import everything

Ended = dict[int, Ticket]
"""The orders that are terminal in the books, by key."""


class Witness:
    """Watches the books of one world; every check raises AssertionError, saying what is wrong."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._filled: dict[int, Decimal] = {}
        self._ended: Ended = {}
        self._trail = Trail()

    def check(self) -> None:
        """Hold the books against the truth, against their own trail, and against what they were."""
        nothing_wrong(find_wrong_writes(self.world.truth))
        nothing_wrong(self._trail.differences())
        filled = dict(Order.objects.order_by().values_list("pk", "filled_quantity"))
        shrunk = (pk for pk, was in self._filled.items() if filled[pk] < was)
        nothing_wrong([f"the filled quantity of order {pk} shrank" for pk in shrunk])
        ended = self._find_ended()
        revived = {pk for pk, ticket in self._ended.items() if self.world.truth.is_over(ticket)}
        nothing_wrong([f"order {pk} had ended and is active" for pk in revived - ended.keys()])
        self._filled, self._ended = filled, ended

    def check_cycle(self) -> None:
        """Hold what a cycle ended against what the exchange had said about it."""
        before = self._ended
        self.check()
        rows = {order.pk: order for order in Order.objects.filter(pk__in=self._ended)}
        for pk in self._ended.keys() - before.keys():
            order, ticket = rows[pk], self._ended[pk]
            what = f"{ticket.purpose} of {ticket.trade_id} was ended as {order.status}"
            assert self.world.truth.is_over(ticket), f"{what} and lives"
            asked = {order.exchange_order_id, order.client_order_id, ticket.exchange_order_id}
            told = (asked - {None}) & self.world.gateway.looked_up
            assert order.filled_quantity >= self.world.truth.filled(ticket), f"{what} too early"
            assert told or order.status == OrderStatus.FILLED, f"{what}, and nobody said so"

    def _find_ended(self) -> Ended:
        ledger = Ledger(self.world.account)
        found = ((ledger.order_of(ticket), ticket) for ticket in self.world.truth.tickets)
        return {
            order.pk: ticket
            for order, ticket in found
            if order is not None and order.status in TERMINAL_ORDER_STATUSES
        }


class Trail:
    """What the audit events say that the books are, followed event by event."""

    def __init__(self) -> None:
        self._read = AuditEvent.objects.count()
        self._orders: dict[str, tuple[str, Decimal]] = {}
        self._booked: dict[tuple[int, str], Decimal] = {}

    def differences(self) -> list[str]:
        """Return where orders and history are not what the trail says of them."""
        new = AuditEvent.objects.filter(sequence__gt=self._read).order_by("sequence")
        rows = {str(row.pk): row.trade_id for row in TradeHistory.objects.all()}
        for event in new:
            self._follow(event, json.loads(event.payload)["after"], rows)
            self._read = event.sequence
        wrong = []
        for order in Order.objects.all():
            said = self._orders.get(str(order.pk))
            if said != (order.status, order.filled_quantity):
                is_now = f"{order.status}, {order.filled_quantity} filled"
                wrong.append(f"{order} is {is_now}, its trail says {said}")
        booked: dict[tuple[int, str], Decimal] = {}
        for row in TradeHistory.objects.filter(booked_quantity__gt=0):
            key = (row.trade_id, row.kind)
            booked[key] = booked.get(key, ZERO) + row.booked_quantity
        wrong += [
            f"{kind} of trade {pk}: booked {booked.get((pk, kind))}, its trail says {said}"
            for (pk, kind), said in self._booked.items()
            if booked.get((pk, kind), ZERO) != said
        ]
        wrong += [f"{key} was booked without a trail" for key in booked.keys() - self._booked]
        return wrong

    def _follow(self, event: AuditEvent, after: Any, trades: dict[str, int]) -> None:
        if event.action == "order.delivered" and event.outcome == "applied":
            self._note_order(event.object_id, after["row"])
        elif event.action == "history.delivered" and event.outcome == "applied":
            row = after["row"]
            self._note_booked(trades[event.object_id], row["kind"], row["booked_quantity"])
        elif event.object_type == "order" and "order" in after:
            self._note_order(event.object_id, after["order"])
        elif "booked" in after:
            self._note_order(str(after["order_id"]), after["order"])
            for row in after["booked"]:
                self._note_booked(int(event.object_id), row["kind"], row["quantity"])

    def _note_order(self, pk: str, said: dict[str, str]) -> None:
        self._orders[pk] = (said["status"], Decimal(said["filled_quantity"]))

    def _note_booked(self, trade: int, kind: str, quantity: str) -> None:
        key = (trade, kind)
        self._booked[key] = self._booked.get(key, ZERO) + Decimal(quantity)


def state() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every audited table, without the trail."""
    rows = everything()
    del rows[AuditEvent._meta.db_table]
    return rows


def nothing_wrong(found: list[str] | tuple[str, ...]) -> None:
    """Raise AssertionError with what was found, if anything."""
    assert not found, "; ".join(found)
