"""What belongs to nobody is recorded for a person, once, fenced by the run's claim."""

from dataclasses import replace
from typing import Any

import pytest

from reconciliation.domain.audit import system_actor
from reconciliation.domain.plans.changes import ExternalOrderDraft, MismatchDraft
from reconciliation.enums import ExternalStatus, MismatchKind, MismatchStatus, RunStatus
from reconciliation.handlers.account_level import apply_nobodys
from reconciliation.handlers.runs import ClaimLost
from reconciliation.models import AuditEvent, ExternalOrder, Mismatch, Run
from reconciliation.selectors.states import open_mismatch
from tests.builders import NOW, SYMBOL, FixedClock, arranging, make_account, make_run
from tests.domain.builders import shown
from tests.handlers.worlds import CONF, actions

pytestmark = pytest.mark.django_db


def external(exchange_order_id: str = "77", **values: Any) -> ExternalOrderDraft:
    why = values.pop("why", "nothing names a profile")
    order = shown(**{"exchange_order_id": exchange_order_id, "client_order_id": None, **values})
    return ExternalOrderDraft(shown=order, why=why)


def difference(key: str = f"exchange-order:{SYMBOL}:77") -> MismatchDraft:
    return MismatchDraft(
        key=key,
        kind=MismatchKind.MISSING_IN_DB,
        profile_id=None,
        symbol=SYMBOL,
        drift=None,
        database_side={},
        exchange_side={"why": "nobody's"},
    )


def apply(*drafts: Any, run: Run | None = None, sees: bool = True) -> None:
    run = run or Run.objects.filter(status=RunStatus.RUNNING).first()
    run = run or make_run(status=RunStatus.RUNNING)
    before = Mismatch.objects.filter(status=MismatchStatus.OPEN).select_related("sighting")
    apply_nobodys(
        account=make_account(),
        run_id=run.pk,
        claim_token=run.claim_token,
        mismatches=[each for each in drafts if isinstance(each, MismatchDraft)],
        external_orders=[each for each in drafts if isinstance(each, ExternalOrderDraft)],
        open_before=[open_mismatch(row) for row in before],
        can_see=lambda mismatch: sees,
        actor=system_actor("test"),
        settings_hash=CONF.hash(),
        clock=FixedClock(),
    )


def test_an_order_of_nobody_waits_for_a_person_with_what_the_exchange_showed():
    apply(external(sub_tag="stranger", raw='{"a":1}'), difference())
    order = ExternalOrder.objects.get()
    assert (order.status, order.exchange_order_id) == (ExternalStatus.PENDING, "77")
    assert (order.sub_tag, order.raw, order.first_seen_at) == ("stranger", '{"a":1}', NOW)
    mismatch = Mismatch.objects.get()
    assert (mismatch.profile, mismatch.status) == (None, MismatchStatus.OPEN)
    assert sorted(actions()) == ["external_order.found", "mismatch.opened"]
    assert set(AuditEvent.objects.values_list("account_name", flat=True)) == {"main"}


def test_one_that_waits_already_is_not_recorded_again():
    apply(external(), difference())
    apply(external(), difference())
    assert ExternalOrder.objects.count() == 1
    assert Mismatch.objects.get().sighting.count == 2
    assert len(actions()) == 2


@pytest.mark.parametrize("decided", [ExternalStatus.IGNORED, ExternalStatus.ADOPTED])
def test_one_that_a_person_decided_on_is_not_recorded_again(decided):
    apply(external(), difference())
    with arranging():
        ExternalOrder.objects.update(status=decided)
    apply(external(), difference())
    assert ExternalOrder.objects.get().status == decided


def test_the_same_order_id_in_another_symbol_is_another_order():
    apply(external(), external(symbol="ETH/USDT:USDT"), difference())
    assert ExternalOrder.objects.count() == 2


def test_one_that_is_gone_is_resolved_where_it_could_be_seen():
    apply(external(), difference())
    apply(sees=False)
    assert Mismatch.objects.get().status == MismatchStatus.OPEN
    apply(sees=True)
    assert Mismatch.objects.get().status == MismatchStatus.RESOLVED


def test_a_reason_of_any_length_is_kept():
    apply(external(why="x" * 500), difference())
    assert len(ExternalOrder.objects.get().why) == 200


@pytest.mark.parametrize("text", ["a NUL \x00", "half \ud800 a pair", "x" * 99])
def test_an_order_with_a_text_that_no_column_can_hold_is_shown_all_the_same(text):
    strange = external(sub_tag=text, client_order_id=text, raw='{"a":"\ud800"}', why=text)
    evidence = {"order": {"client_order_id": text}, "why": text}
    apply(strange, replace(difference(), exchange_side=evidence))
    assert ExternalOrder.objects.get().exchange_order_id == "77"
    assert Mismatch.objects.get().status == MismatchStatus.OPEN


def test_with_nothing_to_say_nothing_is_written():
    apply()
    assert not AuditEvent.objects.exists()


def test_a_run_that_was_taken_over_writes_nothing():
    run = make_run()
    with pytest.raises(ClaimLost):
        apply(external(), difference(), run=run)
    assert not ExternalOrder.objects.exists()
    assert not Mismatch.objects.exists()
