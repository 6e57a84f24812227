"""Trading is stopped and let go on from a profile's page."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from reconciliation.enums import PauseSource, Role
from reconciliation.models import AuditEvent, Pause, Profile
from tests.admin.pages import Page, object_address
from tests.admin.people import client_of
from tests.builders import make_pause, make_profile

pytestmark = pytest.mark.django_db


def press(client: Client, profile: Profile, verb: str, **values: Any) -> Any:
    address = reverse("admin:reconciliation_profile_trading", args=[profile.pk, verb])
    return client.post(address, values)


def test_a_profile_is_paused_and_resumed_with_a_reason():
    profile = make_profile()
    client = client_of("olga", Role.OPERATOR)
    page = Page(client.get(object_address(profile)).content.decode())
    assert "Pause trading" in [words for words, _ in page.main.links]
    assert press(client, profile, "pause", reason="look").status_code == 302
    assert Pause.objects.get().reason == "look"
    assert press(client, profile, "resume", reason="fine", source="OPERATOR").status_code == 302
    assert Pause.objects.get().ended_by == "olga"


def test_without_a_reason_nothing_is_done():
    profile = make_profile()
    response = press(client_of("olga", Role.OPERATOR), profile, "pause", reason=" ")
    assert b"Say why" in response.content
    assert not Pause.objects.exists()


def test_the_pause_of_the_watchdog_is_lifted_only_when_it_is_named():
    profile = make_profile()
    make_pause(profile, source=PauseSource.PARITY_WATCHDOG)
    client = client_of("olga", Role.OPERATOR)
    response = press(client, profile, "resume", reason="checked")
    assert b"Name the pause" in response.content
    assert Pause.objects.open().exists()
    press(client, profile, "resume", reason="checked", source="PARITY_WATCHDOG")
    assert not Pause.objects.open().exists()


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_who_may_not_is_refused_and_the_attempt_is_recorded(verb: str):
    profile = make_profile()
    make_pause(profile, source=PauseSource.OPERATOR)
    client = client_of("vera", Role.VIEWER)
    page = Page(client.get(object_address(profile)).content.decode())
    assert "you have not the right" in page.main.text
    assert press(client, profile, verb, reason="mine").status_code == 403
    assert AuditEvent.objects.filter(action="pause.denied").count() == 1
    assert Pause.objects.open().count() == 1
