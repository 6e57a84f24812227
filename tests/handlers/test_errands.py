"""Errands: asked for once, done once, told of while they are done."""

from datetime import timedelta

import pytest

from reconciliation import conf
from reconciliation.domain.people import Person
from reconciliation.enums import DecisionRefusal, ErrandKind, ErrandStatus, Right
from reconciliation.handlers.errands import (
    SILENT_FOR,
    Asked,
    ask_errand,
    end_errand,
    put_down_errand,
    start_errand,
    tell_errand,
)
from reconciliation.models import AuditEvent, Errand, ExchangeAccount
from tests.builders import NOW, FixedClock, make_account, make_errand
from tests.handlers.people import nobody, person

pytestmark = pytest.mark.django_db


def ask(account: ExchangeAccount, *, who: Person | None = None, later: float = 0) -> Asked:
    return ask_errand(
        kind=ErrandKind.RECONCILE,
        account=account,
        person=who or person("olga", Right.REFRESH),
        conf=conf.require({}),
        clock=FixedClock(NOW + timedelta(seconds=later)),
    )


def test_what_a_person_asks_for_is_recorded_with_who_asked():
    asked = ask(make_account())
    assert asked.is_new
    assert asked.errand is not None
    assert (asked.errand.status, asked.errand.asked_by) == (ErrandStatus.ASKED, "olga")
    event = AuditEvent.objects.get(action="errand.asked")
    assert (event.actor_name, event.object_id) == ("olga", str(asked.errand.pk))


def test_a_second_press_finds_the_errand_of_the_first():
    account = make_account()
    first, second = ask(account), ask(account, later=5)
    assert not second.is_new
    assert second.errand == first.errand
    assert AuditEvent.objects.filter(action="errand.asked").count() == 1


def test_an_errand_that_nobody_takes_up_does_not_block_the_next_for_ever():
    account = make_account()
    first = ask(account)
    again = ask(account, later=SILENT_FOR.total_seconds() + 1)
    assert again.is_new
    assert again.errand != first.errand


def test_who_only_looks_is_denied_and_that_is_an_event():
    asked = ask(make_account(), who=nobody())
    assert asked.refusal == DecisionRefusal.DENIED
    assert not Errand.objects.exists()
    assert AuditEvent.objects.get(action="errand.asked").outcome == "denied"


def test_an_errand_is_taken_up_once_unless_its_worker_has_died():
    errand = make_errand()
    assert start_errand(errand_id=errand.pk, clock=FixedClock(NOW)) is not None
    assert start_errand(errand_id=errand.pk, clock=FixedClock(NOW)) is None
    late = FixedClock(NOW + SILENT_FOR + timedelta(seconds=1))
    assert start_errand(errand_id=errand.pk, clock=late) is not None


def test_an_errand_tells_how_far_it_is_and_what_it_came_to():
    errand = make_errand()
    start_errand(errand_id=errand.pk, clock=FixedClock())
    tell_errand(errand_id=errand.pk, clock=FixedClock(), step="reading", done=1, total=3)
    errand.refresh_from_db()
    assert (errand.step, errand.done, errand.total) == ("reading", 1, 3)
    end_errand(errand_id=errand.pk, clock=FixedClock(), is_done=True, says="read", result={"a": 1})
    end_errand(errand_id=errand.pk, clock=FixedClock(), is_done=False, says="too late")
    errand.refresh_from_db()
    assert (errand.status, errand.says, errand.result) == (ErrandStatus.DONE, "read", {"a": 1})


def test_an_errand_that_was_put_down_is_taken_up_where_it_was():
    errand = make_errand()
    start_errand(errand_id=errand.pk, clock=FixedClock(NOW))
    later = FixedClock(NOW + timedelta(seconds=25))
    assert put_down_errand(errand_id=errand.pk, clock=later, result={"sequence": 7})
    taken = start_errand(errand_id=errand.pk, clock=later)
    assert taken is not None
    assert (taken.result, taken.started_at) == ({"sequence": 7}, NOW)
    end_errand(errand_id=errand.pk, clock=later, is_done=True, says="done")
    assert not put_down_errand(errand_id=errand.pk, clock=later, result={})


def test_a_long_errand_that_is_heard_of_is_not_asked_for_twice():
    account = make_account()
    first = ask(account)
    assert first.errand is not None
    late = SILENT_FOR.total_seconds() + 10
    start_errand(errand_id=first.errand.pk, clock=FixedClock(NOW + timedelta(seconds=late - 5)))
    assert not ask(account, later=late).is_new
