"""Acknowledging an escalation in the console: offered, explained, done once, denied to others."""

import pytest
from django.urls import reverse

from reconciliation.enums import EscalationKind, EscalationStatus, Role
from reconciliation.models import AuditEvent, Escalation
from tests.admin.pages import Console, Page
from tests.admin.people import client_of
from tests.builders import make_escalation

pytestmark = pytest.mark.django_db


@pytest.fixture
def escalation() -> Escalation:
    return make_escalation()


@pytest.fixture
def operator(escalation: Escalation) -> Console:
    return Console(client_of("olga", Role.OPERATOR))


def address(escalation: Escalation) -> str:
    return reverse("admin:reconciliation_escalation_acknowledge", args=[escalation.pk])


def test_an_open_escalation_offers_it_and_says_what_it_means(
    operator: Console, escalation: Escalation
):
    assert ("Acknowledge", address(escalation)) in operator.page_of(escalation).main.links
    assert "ends by itself" in operator.open(address(escalation)).main.text


def test_of_an_edited_row_it_says_that_its_values_are_accepted(operator: Console):
    edited = make_escalation(kind=EscalationKind.EDITED_OUTSIDE)
    assert "You accept the values" in operator.open(address(edited)).main.text


def test_who_acknowledges_is_kept_with_the_comment(operator: Console, escalation: Escalation):
    answer = operator.post(address(escalation), comment="asked the bot's owner")
    assert answer.status_code == 302
    escalation.refresh_from_db()
    assert (escalation.status, escalation.acknowledged_by) == (
        EscalationStatus.ACKNOWLEDGED,
        "olga",
    )
    event = AuditEvent.objects.get(action="escalation.acknowledged")
    assert "asked the bot's owner" in event.payload
    assert ("Acknowledge", address(escalation)) not in operator.page_of(escalation).main.links


def test_a_second_press_says_that_it_was_acknowledged_already(
    operator: Console, escalation: Escalation
):
    operator.post(address(escalation))
    answer = operator.client.post(address(escalation), follow=True)
    assert "It is ACKNOWLEDGED already" in Page(answer.content.decode()).main.text


def test_who_only_looks_is_denied_and_that_is_an_event(escalation: Escalation):
    viewer = Console(client_of("vera", Role.VIEWER))
    assert ("Acknowledge", address(escalation)) not in viewer.page_of(escalation).main.links
    assert viewer.get(address(escalation)).status_code == 403
    assert viewer.post(address(escalation)).status_code == 403
    assert AuditEvent.objects.filter(
        action="escalation.acknowledged", outcome="denied", actor_name="vera"
    ).exists()
    escalation.refresh_from_db()
    assert escalation.status == EscalationStatus.OPEN


def test_one_that_is_not_there_is_not_found(operator: Console, escalation: Escalation):
    for pk in (escalation.pk + 1, 2**63):
        answer = operator.get(reverse("admin:reconciliation_escalation_acknowledge", args=[pk]))
        assert answer.status_code == 404
