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
from reconciliation.domain.deliveries import DeliveredOrder, DeliveredPosition, Delivery
from reconciliation.enums import AuditOutcome, DeliveryOutcome
from reconciliation.handlers.delivered_history import HistoryDesk
from reconciliation.handlers.delivered_positions import PositionDesk
from reconciliation.handlers.delivered_rows import Desk, OrderDesk, Refused, TradeDesk
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import ExchangeAccount, Profile

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReport:
    """The answer to one delivered row. `ref` is the trading system's own id of it."""

    kind: str
    ref: str
    outcome: DeliveryOutcome
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryReport:
    """The answers, in the order in which the rows were judged."""

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
        trades = TradeDesk(desk, delivery)
        orders = OrderDesk(desk, delivery, trades)
        history = HistoryDesk(desk, delivery, trades, orders)
        reports = [
            *_judge("trade", delivery.trades, lambda row: row.trade_id, trades.judge),
            *_judge("order", delivery.orders, _order_ref, orders.judge),
            *_judge("history", history.in_order(), lambda row: row.row_id, history.judge),
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
