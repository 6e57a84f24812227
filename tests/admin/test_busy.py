"""While a cycle holds a profile's lock, decisions answer 409 with who, until when, and what was
typed; pausing goes on."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from reconciliation.admin import deciding_types
from reconciliation.admin.busy import busy_profiles
from reconciliation.enums import Role
from reconciliation.handlers.leases import release_lease, take_lease
from reconciliation.models import (
    Decision,
    ExchangeAccount,
    ExternalOrder,
    Pause,
    Profile,
    ReviewItem,
)
from tests.admin.conftest import logged_in
from tests.admin.pages import Page
from tests.admin.people import client_of, decide_address
from tests.builders import NOW, FixedClock, make_external_order, make_profile
from tests.handlers.decision_worlds import waiting_slice

pytestmark = pytest.mark.django_db

TTL = timedelta(seconds=15)


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding_types, "SystemClock", FixedClock)


def hold(profile_id: int) -> Any:
    return take_lease(profile_id=profile_id, holder="reconcile run 7", ttl=TTL, clock=FixedClock())


def press(row: Any, verb: str, *, client: Client | None = None, **values: Any) -> Any:
    client = client or client_of("ann", Role.OPERATOR, Role.APPROVER)
    given = {
        "version": getattr(row, "version", 1),
        "reason": "OTHER",
        "comment": "sold by hand, see ticket 12",
        **values,
    }
    return client.post(decide_address(row, verb), given)


def test_a_decision_while_the_lock_is_held_is_a_conflict_that_says_when_to_try_again() -> None:
    item = waiting_slice()
    hold(item.profile_id)

    response = press(item, "approve", quantity="0.2")

    assert response.status_code == 409
    assert int(response["Retry-After"]) == 15
    page = Page(response.content.decode())
    assert "reconcile run 7 is writing for alpha".lower() in page.main.text.lower()
    assert f"after {NOW + TTL:%H:%M:%S} UTC (in 15 s)" in page.main.text
    assert "sold by hand, see ticket 12" in page.html
    assert 'value="0.2"' in page.html
    assert "Try again: Approve" in page.html
    assert ("What to do", "/admin/runbooks/reconciliation/#reconciling") in page.main.links
    assert not Decision.objects.exists()
    assert ReviewItem.objects.get().status == "PENDING"


def test_the_same_press_is_carried_out_when_the_lock_is_free_again() -> None:
    item = waiting_slice()
    lease, client = hold(item.profile_id), client_of("ann", Role.OPERATOR)
    assert press(item, "reject", client=client).status_code == 409

    release_lease(lease)

    assert press(item, "reject", client=client).status_code == 302
    assert ReviewItem.objects.get().status == "REJECTED"


def test_what_is_nobodys_is_not_adopted_into_a_profile_that_is_written_to() -> None:
    profile = make_profile()
    row = make_external_order()
    hold(profile.pk)

    response = press(row, "adopt", profile="alpha")

    assert response.status_code == 409
    assert response["Retry-After"] == "15"
    assert ExternalOrder.objects.get().status == "PENDING"


def test_a_profile_is_paused_also_while_its_lock_is_held() -> None:
    profile = make_profile()
    hold(profile.pk)
    client = client_of("ann", Role.OPERATOR)

    response = client.post(
        f"/admin/reconciliation/profile/{profile.pk}/trading/pause/", {"reason": "stop"}
    )

    assert response.status_code == 302
    assert Pause.objects.open().count() == 1


def test_the_lock_of_another_profile_keeps_nobody_out() -> None:
    mine, other = make_profile(), make_profile("beta")
    hold(other.pk)

    assert busy_profiles([mine.pk], clock=FixedClock()) is None
    busy = busy_profiles([mine.pk, other.pk], clock=FixedClock())
    assert busy is not None
    assert "beta" in busy.sentence


@pytest.mark.parametrize(
    ("name", "verb", "values"),
    [
        ("profile", "capital", {"amount": "5", "seen": "100000"}),
        ("profile", "disable", {}),
        ("baseline", "", {}),
    ],
)
def test_the_set_up_of_a_profile_waits_until_its_lock_is_free(
    name: str, verb: str, values: dict[str, str]
) -> None:
    profile = make_profile()
    before = Profile.objects.values().get()
    lease = hold(profile.pk)
    client = logged_in(User.objects.create_superuser("root", password="irrelevant"))
    args = [profile.pk, verb] if verb else [profile.account_id]
    address = reverse(f"admin:console_setup_{name}", args=args)
    sent = {"comment": "as agreed with risk", **values, "seen": before["allocated_capital_usd"]}

    response = client.post(address, sent)

    assert response.status_code == 409
    assert response["Retry-After"] == "15"
    page = Page(response.content.decode())
    assert f"after {NOW + TTL:%H:%M:%S} UTC (in 15 s)" in page.main.text
    assert "as agreed with risk" in page.html
    assert Profile.objects.values().get() == before
    assert ExchangeAccount.objects.get().baseline_at is None

    release_lease(lease)
    assert client.post(address, sent).status_code == 302
