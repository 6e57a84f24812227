"""One account in the database beside one at a fake exchange, and cycles that compare them."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.db.models import QuerySet

from reconciliation import conf
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports, go_on
from reconciliation.cycles.reconcile import reconcile_accounts
from reconciliation.domain.types import ExchangeFill, ExchangeOrder
from reconciliation.enums import CycleStep, OrderStatus
from reconciliation.handlers.unit import audited_tables
from reconciliation.models import (
    AuditEvent,
    CapitalBalance,
    CapitalEntry,
    Escalation,
    ExchangeAccount,
    Mismatch,
    Order,
    Run,
    Trade,
    TradeHistory,
)
from reconciliation.selectors.states import order_state
from tests.builders import FixedClock, make_account, make_order, make_profile, make_trade
from tests.cycles.fakes import FakeGateway, FakeGateways
from tests.domain import builders as domain

FILLED, CANCELED, OPEN = OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.OPEN


class World:
    """The account `main` with profile `alpha`, its fake exchange, and a clock that tests move."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.gateways = FakeGateways()
        self.environ: dict[str, str] = {}
        self.account = make_account()
        self.alpha = make_profile()
        self.exchange = self.serve(self.account)

    def serve(self, account: ExchangeAccount) -> FakeGateway:
        """Return the fake exchange of an account, made when it is first asked for."""
        fake = self.gateways.of_account.get(account.name)
        if not isinstance(fake, FakeGateway):
            fake = FakeGateway(self.clock)
            self.gateways.of_account[account.name] = fake
        return fake

    def ports(self, reach: Callable[[CycleStep], None] = go_on) -> Ports:
        return Ports(
            conf=conf.require(self.environ),
            clock=self.clock,
            gateways=self.gateways,
            reach=reach,
        )

    def cycle(
        self, *, minutes: float = 1, reach: Callable[[CycleStep], None] = go_on, **names: Any
    ) -> RunOutcome:
        """Run one cycle over the only account, a minute after the one before."""
        (outcome,) = self.cycles(minutes=minutes, reach=reach, **names)
        return outcome

    def cycles(
        self, *, minutes: float = 1, reach: Callable[[CycleStep], None] = go_on, **names: Any
    ) -> tuple[RunOutcome, ...]:
        """Run one cycle over every account."""
        self.clock.advance(minutes=minutes)
        return reconcile_accounts(ports=self.ports(reach), **names)

    def entry(self, **values: Any) -> Order:
        """Make an open entry order of a pending trade, placed two hours ago."""
        trade = values.pop("trade", None) or make_trade(values.pop("profile", None))
        return make_order(trade, **values)

    def exit(self, *, open: str = "0.5", **values: Any) -> Order:
        """Make an open exit order of a trade that holds `open`."""
        trade = values.pop("trade", None) or make_trade(
            entry_quantity=open, average_entry_price="60000"
        )
        return make_order(trade, purpose="EXIT", side="sell", **values)

    def show(self, order: Order, **values: Any) -> ExchangeOrder:
        """Let the exchange know an order: the same as ours, unless told otherwise."""
        shown = domain.shown(order_state(order, ()), **values)
        self.exchange.orders = [
            each
            for each in self.exchange.orders
            if each.exchange_order_id != shown.exchange_order_id
        ]
        self.exchange.orders.append(shown)
        return shown

    def end(self, order: Order, status: OrderStatus = FILLED, filled: str | None = None) -> None:
        """Let an order end at the exchange, filled as far as its fills say."""
        sums = [
            fill.quantity
            for fill in self.exchange.fills
            if fill.exchange_order_id == order.exchange_order_id
        ]
        quantity = sum(sums, Decimal(0)) if filled is None else Decimal(filled)
        self.show(order, status=status, filled_quantity=quantity)

    def fill(self, order: Order, quantity: str, **values: Any) -> ExchangeFill:
        """Let an order be filled at the exchange, an hour ago."""
        number = len(self.exchange.fills) + 1
        made = domain.fill(number, quantity, of=order_state(order, ()), **values).fill
        self.exchange.fills.append(replace(made, fill_id=f"{order.pk}-{number}"))
        return self.exchange.fills[-1]


def trade_of(order: Order) -> Trade:
    return Trade.objects.get(pk=order.trade_id)


def last_run() -> Run:
    return Run.objects.order_by("-pk")[0]


def sources() -> list[tuple[str, str, str]]:
    """Return kind, source and quantity of every history row, in order."""
    rows = TradeHistory.objects.order_by("pk")
    return [(row.kind, row.source, str(row.quantity)) for row in rows]


def mismatches() -> list[tuple[str, str]]:
    """Return kind and status of every mismatch, in order."""
    return list(Mismatch.objects.order_by("pk").values_list("kind", "status"))


# What ends every run and follows from the books: it has tests of its own.
AFTERWARDS = (CapitalBalance, CapitalEntry, Escalation)


def of_the_books() -> QuerySet[AuditEvent]:
    """Return the events but those of capital and escalations."""
    events = AuditEvent.objects.order_by("sequence").exclude(action__startswith="capital.")
    return events.exclude(action__startswith="escalation.")


def actions() -> list[str]:
    return list(of_the_books().values_list("action", flat=True))


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row of every audited table: what a cycle without news must leave as it is.

    Capital and escalations are not in it: they may have something to say of books that rest.
    """
    models = apps.get_app_config("reconciliation").get_models(include_auto_created=True)
    return {
        model._meta.db_table: list(model._default_manager.order_by("pk").values_list())
        for model in models
        if model._meta.db_table in audited_tables() and model not in AFTERWARDS
    } | {AuditEvent._meta.db_table: list(of_the_books().values_list("event_id", "payload"))}
