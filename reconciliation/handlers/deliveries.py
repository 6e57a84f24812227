"""What the trading system delivers: judged row by row, merged, never trusted over a repair.

A row that repeats the last delivery is a no-op; a changed one is merged through the legal
transitions; one that cannot be is refused with the reason, and the others go on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import DatabaseError, OperationalError

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredPosition,
    DeliveredTrade,
    Delivery,
)
from reconciliation.enums import AuditOutcome, DeliveryOutcome
from reconciliation.handlers.delivered_history import HistoryDesk, in_order
from reconciliation.handlers.delivered_orders import OrderDesk
from reconciliation.handlers.delivered_positions import PositionDesk
from reconciliation.handlers.delivered_rows import Desk, Refused
from reconciliation.handlers.delivered_trades import TradeDesk
from reconciliation.handlers.delivered_values import find_fault
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import ExchangeAccount, Profile

Row = TypeVar("Row", DeliveredTrade, DeliveredOrder, DeliveredHistory, DeliveredPosition)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReport:
    """The answer to one delivered row. `ref` is the trading system's own id of it."""

    kind: str
    ref: str
    outcome: DeliveryOutcome
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """The answers in the order in which the rows were judged, those that cannot be first."""

    rows: tuple[RowReport, ...]

    @property
    def refused(self) -> tuple[RowReport, ...]:
        """Return the rows that were not taken."""
        return tuple(row for row in self.rows if row.outcome == DeliveryOutcome.REFUSED)


def deliver(
    *,
    delivery: Delivery,
    actor: Actor,
    clock: Clock,
    conf: Conf,
    latest: datetime | None = None,
) -> DeliveryReport:
    """Take the rows of one account in one transaction: trades, orders, history, positions.

    What is later than `latest` (the clock's now unless given) has not happened yet.
    Raises ExchangeAccount.DoesNotExist for an unknown account, and OperationalError where the
    database was not to be had; everything else that is wrong is the answer to its row.
    """
    account = ExchangeAccount.objects.get(name=delivery.account)
    with transaction_unit(actor=actor, clock=clock, settings_hash=conf.hash()) as unit:
        # Deliveries of one account take their turns, so that none waits for a row of another.
        ExchangeAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        profiles = {row.name: row for row in Profile.objects.filter(account=account)}
        desk = Desk(account=account, profiles=profiles, now=unit.now)
        possible, reports = _without_faults(delivery, latest or unit.now)
        try:
            with unit.savepoint():
                reports += _take(possible, desk, unit)
        except OperationalError:
            raise
        except DatabaseError:
            reports += _take_one_by_one(possible, desk, unit)
        for report in reports:
            if report.outcome == DeliveryOutcome.REFUSED:
                unit.record(_refusal(report, account.name))
    return DeliveryReport(rows=tuple(reports))


def _take(delivery: Delivery, desk: Desk, unit: Unit) -> list[RowReport]:
    """Judge rows and write what was taken of them."""
    trades = TradeDesk(desk, delivery)
    orders = OrderDesk(desk, delivery, trades)
    history = HistoryDesk(desk, delivery, trades, orders)
    reports = [
        *_judge("trade", delivery.trades, _trade_ref, trades.judge),
        *_judge("order", delivery.orders, _order_ref, orders.judge),
        *_judge("history", in_order(delivery.history), _history_ref, history.judge),
    ]
    trades.write()
    orders.write()
    history.write()
    # Position rows follow the history: the delivered ones are judged after that.
    positions = PositionDesk(desk, delivery)
    reports += _judge("position", delivery.positions, _position_ref, positions.judge)
    positions.write()
    for desk_of_rows in (trades, orders, history, positions):
        for event in desk_of_rows.events():
            unit.record(event)
    return reports


def _take_one_by_one(delivery: Delivery, desk: Desk, unit: Unit) -> list[RowReport]:
    """Take each row by itself: one that the database does not take stops no other."""
    account = delivery.account
    singles = [
        *(("trade", r.trade_id, Delivery(account=account, trades=(r,))) for r in delivery.trades),
        *(
            ("order", _order_ref(r), Delivery(account=account, orders=(r,)))
            for r in delivery.orders
        ),
        *(
            ("history", r.row_id, Delivery(account=account, history=(r,)))
            for r in in_order(delivery.history)
        ),
        *(
            ("position", _position_ref(r), Delivery(account=account, positions=(r,)))
            for r in delivery.positions
        ),
    ]
    reports = []
    for kind, ref, single in singles:
        try:
            with unit.savepoint():
                reports += _take(single, desk, unit)
        except OperationalError:
            raise
        except DatabaseError as error:
            reason = f"row: the database does not take it: {str(error).splitlines()[0]}"
            reports.append(
                RowReport(kind=kind, ref=ref, outcome=DeliveryOutcome.REFUSED, reason=reason)
            )
    return reports


def _judge(
    kind: str,
    rows: Iterable[Row],
    ref: Callable[[Row], str],
    judge: Callable[[Row], DeliveryOutcome],
) -> list[RowReport]:
    reports = []
    for row in rows:
        try:
            outcome, reason = judge(row), ""
        except Refused as error:
            outcome, reason = DeliveryOutcome.REFUSED, str(error)
        reports.append(RowReport(kind=kind, ref=ref(row), outcome=outcome, reason=reason))
    return reports


def _without_faults(delivery: Delivery, now: datetime) -> tuple[Delivery, list[RowReport]]:
    """Return the rows whose values can be, and the refusals of the others."""
    reports: list[RowReport] = []

    def possible(kind: str, rows: tuple[Row, ...], ref: Callable[[Row], str]) -> tuple[Row, ...]:
        kept = []
        for row in rows:
            reason = find_fault(row, now=now)
            if reason:
                reports.append(
                    RowReport(
                        kind=kind, ref=ref(row), outcome=DeliveryOutcome.REFUSED, reason=reason
                    )
                )
            else:
                kept.append(row)
        return tuple(kept)

    return (
        Delivery(
            account=delivery.account,
            trades=possible("trade", delivery.trades, _trade_ref),
            orders=possible("order", delivery.orders, _order_ref),
            history=possible("history", delivery.history, _history_ref),
            positions=possible("position", delivery.positions, _position_ref),
        ),
        reports,
    )


def _trade_ref(row: DeliveredTrade) -> str:
    return row.trade_id


def _history_ref(row: DeliveredHistory) -> str:
    return row.row_id


def _order_ref(row: DeliveredOrder) -> str:
    return row.client_order_id or row.exchange_order_id or "without an id"


def _position_ref(row: DeliveredPosition) -> str:
    return f"{row.profile} {row.symbol} {row.direction}"


def _refusal(report: RowReport, account: str) -> EventDraft:
    return EventDraft(
        action=f"{report.kind}.delivered",
        outcome=AuditOutcome.REFUSED,
        object_type=report.kind,
        account=account,
        after={"ref": report.ref},
        comment=report.reason,
    )
