"""What the trading system delivers: judged row by row, merged, never trusted over a repair.

A row that repeats the last delivery is a no-op; a changed one is merged through the legal
transitions; one that cannot be is refused with the reason, and the others go on.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
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
from reconciliation.handlers.delivered_rows import Desk, OutOfScope, Refused
from reconciliation.handlers.delivered_trades import TradeDesk
from reconciliation.handlers.delivered_values import Delivered, find_fault
from reconciliation.handlers.review_items import supersede_reviews_of
from reconciliation.handlers.targets import Target
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import ExchangeAccount, Profile

Row = TypeVar("Row", DeliveredTrade, DeliveredOrder, DeliveredHistory, DeliveredPosition)


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReport:
    """The answer to one delivered row. `ref` is the trading system's own id of it.

    `index` is where the row stood among those of its kind. A reason is `field: what to do`.
    """

    kind: str
    index: int
    ref: str
    outcome: DeliveryOutcome
    reason: str = ""
    is_out_of_scope: bool = False


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
    scope: Collection[str] | None = None,
    unreadable: Iterable[RowReport] = (),
    request_id: str = "",
    ip: str = "",
) -> DeliveryReport:
    """Take the rows of one account in one transaction: trades, orders, history, positions.

    What is later than `latest` (the clock's now unless given) has not happened yet. `scope` names
    the profiles that the delivery may speak of, all of the account's unless given. `unreadable`
    are refusals of rows that were no rows before they came here; they are only recorded.
    Raises ExchangeAccount.DoesNotExist for an unknown account, and OperationalError where the
    database was not to be had; everything else that is wrong is the answer to its row.
    """
    account = ExchangeAccount.objects.get(name=delivery.account)
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
        # Deliveries of one account take their turns, so that none waits for a row of another.
        ExchangeAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
        profiles = {row.name: row for row in Profile.objects.filter(account=account)}
        foreign = {
            row.pk: row for row in profiles.values() if scope is not None and row.name not in scope
        }
        desk = Desk(
            account=account,
            profiles=profiles,
            now=unit.now,
            foreign=foreign,
            client_order_ids=conf.client_order_id_pattern,
        )
        answers = _Answers(delivery)
        possible, reports = _without_faults(delivery, latest or unit.now, answers)
        try:
            with unit.savepoint():
                reports += _take(possible, desk, unit, answers)
        except OperationalError:
            raise
        except DatabaseError:
            reports += _take_one_by_one(possible, desk, unit, answers)
        for report in (*unreadable, *reports):
            if report.outcome == DeliveryOutcome.REFUSED:
                unit.record(_refusal(report, account.name))
    return DeliveryReport(rows=tuple(reports))


class _Answers:
    """Makes the answers to the rows of a delivery, which are known by being the same object."""

    def __init__(self, delivery: Delivery) -> None:
        kinds = (delivery.trades, delivery.orders, delivery.history, delivery.positions)
        self._index = {id(row): index for rows in kinds for index, row in enumerate(rows)}

    def take(self, row: Delivered, outcome: DeliveryOutcome) -> RowReport:
        """Answer a row that was taken."""
        kind, ref = _kind_and_ref(row)
        return RowReport(kind=kind, index=self._index[id(row)], ref=ref, outcome=outcome)

    def refuse(self, row: Delivered, reason: str, *, is_out_of_scope: bool = False) -> RowReport:
        """Answer a row that was not taken."""
        return replace(
            self.take(row, DeliveryOutcome.REFUSED), reason=reason, is_out_of_scope=is_out_of_scope
        )


def _take(delivery: Delivery, desk: Desk, unit: Unit, answers: _Answers) -> list[RowReport]:
    """Judge rows and write what was taken of them."""
    trades = TradeDesk(desk, delivery)
    orders = OrderDesk(desk, delivery, trades)
    history = HistoryDesk(desk, delivery, trades, orders)
    reports = [
        *_judge(delivery.trades, trades.judge, answers),
        *_judge(delivery.orders, orders.judge, answers),
        *_judge(in_order(delivery.history), history.judge, answers),
    ]
    trades.write()
    orders.write()
    history.write()
    _take_back_questions(history, desk, unit)
    # Position rows follow the history: the delivered ones are judged after that.
    positions = PositionDesk(desk, delivery)
    reports += _judge(delivery.positions, positions.judge, answers)
    positions.write()
    for desk_of_rows in (trades, orders, history, positions):
        for event in desk_of_rows.events():
            unit.record(event)
    return reports


def _take_back_questions(history: HistoryDesk, desk: Desk, unit: Unit) -> None:
    """Take back the questions about slices that delivered exits have closed."""
    profiles = {profile.pk: profile for profile in desk.profiles.values()}
    for profile_id, trades in sorted(history.released().items()):
        target = Target(
            account_id=desk.account.pk,
            account_name=desk.account.name,
            profile_id=profile_id,
            profile_name=profiles[profile_id].name,
        )
        supersede_reviews_of(trades, target, unit)


def _take_one_by_one(
    delivery: Delivery, desk: Desk, unit: Unit, answers: _Answers
) -> list[RowReport]:
    """Take each row by itself: one that the database does not take stops no other."""
    account = delivery.account
    singles: list[tuple[Delivered, Delivery]] = [
        *((row, Delivery(account=account, trades=(row,))) for row in delivery.trades),
        *((row, Delivery(account=account, orders=(row,))) for row in delivery.orders),
        *((row, Delivery(account=account, history=(row,))) for row in in_order(delivery.history)),
        *((row, Delivery(account=account, positions=(row,))) for row in delivery.positions),
    ]
    reports = []
    for row, single in singles:
        try:
            with unit.savepoint():
                reports += _take(single, desk, unit, answers)
        except OperationalError:
            raise
        except DatabaseError as error:
            reason = f"row: the database does not take it: {str(error).splitlines()[0]}"
            reports.append(answers.refuse(row, reason))
    return reports


def _judge(
    rows: Iterable[Row], judge: Callable[[Row], DeliveryOutcome], answers: _Answers
) -> list[RowReport]:
    reports = []
    for row in rows:
        try:
            reports.append(answers.take(row, judge(row)))
        except Refused as error:
            is_foreign = isinstance(error, OutOfScope)
            reports.append(answers.refuse(row, str(error), is_out_of_scope=is_foreign))
    return reports


def _without_faults(
    delivery: Delivery, now: datetime, answers: _Answers
) -> tuple[Delivery, list[RowReport]]:
    """Return the rows whose values can be, and the refusals of the others."""
    reports: list[RowReport] = []

    def possible(rows: tuple[Row, ...]) -> tuple[Row, ...]:
        kept = []
        for row in rows:
            reason = find_fault(row, now=now)
            if reason:
                reports.append(answers.refuse(row, reason))
            else:
                kept.append(row)
        return tuple(kept)

    return (
        Delivery(
            account=delivery.account,
            trades=possible(delivery.trades),
            orders=possible(delivery.orders),
            history=possible(delivery.history),
            positions=possible(delivery.positions),
        ),
        reports,
    )


def _kind_and_ref(row: Delivered) -> tuple[str, str]:
    match row:
        case DeliveredTrade():
            return "trade", row.trade_id
        case DeliveredOrder():
            return "order", row.client_order_id or row.exchange_order_id or "without an id"
        case DeliveredHistory():
            return "history", row.row_id
        case DeliveredPosition():
            return "position", f"{row.profile} {row.symbol} {row.direction}"


def _refusal(report: RowReport, account: str) -> EventDraft:
    return EventDraft(
        action=f"{report.kind}.delivered",
        outcome=AuditOutcome.DENIED if report.is_out_of_scope else AuditOutcome.REFUSED,
        object_type=report.kind,
        account=account,
        after={"ref": report.ref},
        comment=report.reason,
    )
