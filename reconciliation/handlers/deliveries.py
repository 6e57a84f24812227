"""What the trading system delivers: judged row by row, merged, never trusted over a repair.

A row that repeats the last delivery is a no-op; a changed one is merged through the legal
transitions; one that cannot be is refused with the reason, and the others go on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

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
from reconciliation.handlers.delivered_history import HistoryDesk
from reconciliation.handlers.delivered_orders import OrderDesk
from reconciliation.handlers.delivered_positions import PositionDesk
from reconciliation.handlers.delivered_rows import Desk, Refused, TradeDesk
from reconciliation.handlers.delivered_values import find_unstorable
from reconciliation.handlers.unit import transaction_unit
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
    """The answers in the order in which the rows were judged, unstorable ones first."""

    rows: tuple[RowReport, ...]

    @property
    def refused(self) -> tuple[RowReport, ...]:
        """Return the rows that were not taken."""
        return tuple(row for row in self.rows if row.outcome == DeliveryOutcome.REFUSED)


def deliver(*, delivery: Delivery, actor: Actor, clock: Clock, conf: Conf) -> DeliveryReport:
    """Take the rows of one account in one transaction: trades, orders, history, positions.

    Raises ExchangeAccount.DoesNotExist for an unknown account; everything else that is wrong is
    the answer to its row.
    """
    account = ExchangeAccount.objects.get(name=delivery.account)
    with transaction_unit(actor=actor, clock=clock, settings_hash=conf.hash()) as unit:
        profiles = {row.name: row for row in Profile.objects.filter(account=account)}
        desk = Desk(account=account, profiles=profiles, now=unit.now)
        storable, reports = _without_unstorable(delivery)
        trades = TradeDesk(desk, storable)
        orders = OrderDesk(desk, storable, trades)
        history = HistoryDesk(desk, storable, trades, orders)
        reports += [
            *_judge("trade", storable.trades, _trade_ref, trades.judge),
            *_judge("order", storable.orders, _order_ref, orders.judge),
            *_judge("history", history.in_order(), _history_ref, history.judge),
        ]
        trades.write()
        orders.write()
        history.write()
        # Position rows follow the history: the delivered ones are judged after that.
        positions = PositionDesk(desk, storable)
        reports += _judge("position", storable.positions, _position_ref, positions.judge)
        positions.write()
        for desk_of_rows in (trades, orders, history, positions):
            for event in desk_of_rows.events():
                unit.record(event)
        for report in reports:
            if report.outcome == DeliveryOutcome.REFUSED:
                unit.record(_refusal(report, account.name))
    return DeliveryReport(rows=tuple(reports))


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


def _without_unstorable(delivery: Delivery) -> tuple[Delivery, list[RowReport]]:
    """Return the rows that columns can hold, and the refusals of the others."""
    reports: list[RowReport] = []

    def storable(kind: str, rows: tuple[Row, ...], ref: Callable[[Row], str]) -> tuple[Row, ...]:
        kept = []
        for row in rows:
            reason = find_unstorable(row)
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
            trades=storable("trade", delivery.trades, _trade_ref),
            orders=storable("order", delivery.orders, _order_ref),
            history=storable("history", delivery.history, _history_ref),
            positions=storable("position", delivery.positions, _position_ref),
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
