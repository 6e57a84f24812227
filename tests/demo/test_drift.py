"""The table of drifts against the portal: each is found by the rule that its row says."""

import re
from collections import defaultdict

import pytest

from reconciliation.demo.accounts import SOL
from reconciliation.demo.drift import DRIFTS, OPENING, Drift
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.order_rules import OrderRule
from reconciliation.enums import (
    TERMINAL_ORDER_STATUSES,
    HistorySource,
    MismatchKind,
    MismatchStatus,
    TradeStatus,
)
from reconciliation.models import AuditEvent, Fill, Mismatch, Order, Trade, TradeHistory
from tests.demo.conftest import StartDemo
from tests.demo.worlds import INTERVAL, PATIENCE, Demo, OnRequest

# Until a bot has heard of everything, and a cycle has seen that.
LONG = 2 * PATIENCE + 2 * INTERVAL


class Played:
    """What each drift of the table was played on, and what the cycles found there."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.rules: dict[int, set[str]] = defaultdict(set)

    def play(self) -> None:
        """Make every drift of the table once, each as soon as it is possible."""
        left = list(DRIFTS)
        for second in range(1, 2 * LONG):
            left = [drift for drift in left if not self.demo.world.injector.make(drift)]
            self.demo.run(1)
            if second % INTERVAL == 0:
                self._cycle()
            if not left and not any(bot.drifts for bot in self.demo.world.bots.values()):
                break
        assert not left
        for _ in range(LONG // INTERVAL):
            self.demo.run(INTERVAL - 1)
            self._cycle()

    def where(self, drift: Drift) -> tuple[str, str]:
        """Return the trade, or nothing, and the symbol that a drift was played on."""
        (line,) = (line for line in self.demo.lines if line.endswith(f": {drift.sentence}"))
        found = re.fullmatch(r"drift, (?:(\S+), )?(\S+?): .*", line)
        assert found is not None
        return found[1] or "", found[2]

    def trade(self, drift: Drift) -> Trade:
        return Trade.objects.get(trade_id=self.where(drift)[0])

    def found(self, drift: Drift) -> set[str]:
        """Return the rules by which something was found where a drift was played."""
        trade_id, symbol = self.where(drift)
        rows = Mismatch.objects.filter(symbol=symbol)
        if trade_id:
            rows = rows.filter(order__trade__trade_id=trade_id)
        return set().union(*(self.rules[row.pk] for row in rows))

    def _cycle(self) -> None:
        self.demo.clock.advance(seconds=6)  # older than the grace
        self.demo.cycle()
        for row in Mismatch.objects.all():
            self.rules[row.pk].add(row.exchange_side["rule"])


def test_every_rule_that_finds_something_has_a_drift() -> None:
    with_mismatch = {rule for rule in OrderRule if rule.row.mismatch is not None}

    assert with_mismatch == {drift.rule for drift in DRIFTS if drift.rule is not None}
    assert {rule.row.mismatch for rule in with_mismatch} == {
        MismatchKind.MISSING_FROM_EXCHANGE,
        MismatchKind.MISSING_IN_DB,
        MismatchKind.STATUS_MISMATCH,
        MismatchKind.QUANTITY_MISMATCH,
        MismatchKind.UNATTRIBUTED_FILL,
    }


def test_names_and_sentences_are_each_once_in_the_table() -> None:
    assert len({drift.name for drift in DRIFTS}) == len(DRIFTS)
    assert len({drift.sentence for drift in DRIFTS}) == len(DRIFTS)
    assert set(OPENING) <= set(DRIFTS)


@pytest.mark.django_db
def test_each_drift_is_found_by_its_rule_and_all_heal_but_what_a_person_decides(
    start: StartDemo,
) -> None:
    played = Played(start(OnRequest))

    played.play()

    assert played.demo.said("refused") == []
    found = {drift.name: played.found(drift) for drift in DRIFTS if drift.rule is not None}
    missing = {
        drift.name: (drift.rule.name, found[drift.name])
        for drift in DRIFTS
        if drift.rule is not None and drift.rule.name not in found[drift.name]
    }
    assert missing == {}
    _check_what_is_no_difference_of_orders(played)
    open_now = set(
        Mismatch.objects.exclude(status=MismatchStatus.RESOLVED).values_list("kind", "symbol")
    )
    assert open_now <= {(MismatchKind.UNATTRIBUTED_FILL, SOL)}


def _check_what_is_no_difference_of_orders(played: Played) -> None:
    checks = {
        "fill without an id, told at once": _booked_once_and_by_the_bot,
        "closed by hand": _closed_by_the_fill_of_nobody,
        "liquidated": _closed_by_the_fill_of_nobody,
        "stale row": _still_ended,
        "wrong position": _aligned,
    }
    drifts = {drift.name: drift for drift in DRIFTS if drift.rule is None}
    assert drifts.keys() == checks.keys()
    for name, check in checks.items():
        check(played.trade(drifts[name]))


def _booked_once_and_by_the_bot(trade: Trade) -> None:
    rows = TradeHistory.objects.filter(trade=trade, exchange_fill_id=None, source=HistorySource.BOT)
    row = rows.get()
    order = row.order
    assert order is not None
    fill = Fill.objects.get(account=trade.account, client_order_id=order.client_order_id)
    assert fill.allocated_quantity == fill.quantity
    booked = sum((each.booked_quantity for each in order.history.all()), ZERO)
    assert booked == row.booked_quantity == row.quantity


def _closed_by_the_fill_of_nobody(trade: Trade) -> None:
    row = trade.history.get(kind="EXIT", key__startswith="delivered:by-hand-")
    fill = Fill.objects.get(account=trade.account, exchange_fill_id=row.exchange_fill_id)
    assert trade.status == TradeStatus.CLOSED
    assert (fill.client_order_id, fill.sub_tag) == (None, None)
    assert fill.allocated_quantity == fill.quantity


def _still_ended(trade: Trade) -> None:
    assert Order.objects.filter(
        trade=trade, status__in=TERMINAL_ORDER_STATUSES, delivered_status__in=("OPEN", "PENDING")
    ).exists()


def _aligned(trade: Trade) -> None:
    events = AuditEvent.objects.filter(action="position.aligned", profile_name=trade.profile.name)
    assert any(trade.symbol in event.payload for event in events)
