"""An edit by SQL that is committed while a run waits for the lock of its row is left alone too."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import transaction

from reconciliation.domain.audit import EventDraft
from reconciliation.domain.plans.changes import Change, Premises
from reconciliation.handlers.apply import Applied, apply_changes
from reconciliation.handlers.leases import holding
from reconciliation.handlers.parity import JudgedSlices
from reconciliation.models import OutsideEdit, Trade
from reconciliation.selectors.states import trade_state
from tests.builders import arranging, make_trade
from tests.cycles.concurrency.threads import visitors
from tests.handlers.worlds import apply_context

pytestmark = pytest.mark.django_db(transaction=True)


def edit_while(work: Callable[[], object]) -> None:
    """Edit the slice's price by hand; the work begins before that is committed."""
    with visitors([work]) as let_in, transaction.atomic(), arranging():
        Trade.objects.update(average_entry_price=1)
        let_in()
    assert OutsideEdit.objects.unsettled().exists()


def test_a_change_that_waited_for_the_edit_is_dropped():
    trade = trade_state(make_trade())
    context = apply_context()
    change = Change(
        profile_id=trade.profile_id,
        premises=Premises(trades={trade.id: trade.version}, orders={}, fills={}),
        trade=replace(trade, average_entry_price=None),
        events=(EventDraft(action="trade.exit_filled"),),
    )
    applied: list[Applied] = []

    def loop() -> None:
        with holding(context.lease):
            applied.append(
                apply_changes(
                    context=context, changes=[change], open_mismatches=[], judged_orders=frozenset()
                )
            )

    edit_while(loop)

    assert [(each.written, each.dropped) for each in applied] == [(0, 1)]
    assert Trade.objects.get().average_entry_price == 1


def test_a_position_whose_slice_was_edited_meanwhile_is_not_what_was_judged():
    trade = make_trade(entry_quantity="0.5")
    judged = JudgedSlices(
        account_id=trade.account_id, by_symbol={trade.symbol: {trade.pk: trade.version}}
    )
    unmoved: list[set[str]] = []

    def compare() -> None:
        with transaction.atomic():
            unmoved.append(judged.lock_and_compare())

    edit_while(compare)

    assert unmoved == [set()]
