"""People are let in, moved between groups and let in no more; the settings in force are shown."""

import pytest
from django.conf import LazySettings
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from reconciliation.enums import RIGHTS_OF_ROLES, Role
from reconciliation.models import AuditEvent
from tests.admin.conftest import logged_in
from tests.admin.pages import Console
from tests.admin.people import client_of, user_of

pytestmark = pytest.mark.django_db
PASSWORD = "seven gulls on a mast"
GOOD = {"name": "olga", "groups": "Operator", "password": PASSWORD, "again": PASSWORD}


def url(name: str, *args: object) -> str:
    return reverse(f"admin:console_setup_{name}", args=args)


def send(client: Client, address: str, **values: object) -> str:
    response = client.post(address, values, follow=True)
    return response.content.decode()


def actions() -> list[str]:
    rows = AuditEvent.objects.exclude(action__startswith="user.logged").order_by("sequence")
    return list(rows.values_list("action", flat=True))


@pytest.fixture
def root(db: None) -> Client:
    return logged_in(User.objects.create_superuser("root", password=PASSWORD))


def test_a_person_is_let_in_and_can_log_in(root: Client):
    html = send(root, url("person_add"), **GOOD)
    assert "can log in now" in html
    assert Client().login(username="olga", password=PASSWORD)
    olga = User.objects.get(username="olga")
    assert [group.name for group in olga.groups.all()] == ["Operator"]
    assert (olga.is_staff, olga.is_superuser) == (True, False)
    assert actions() == ["user.created", "user.groups_changed"]
    assert PASSWORD not in html
    for payload in AuditEvent.objects.values_list("payload", flat=True):
        assert PASSWORD not in payload
        assert olga.password not in payload


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("name", "a b", "letters, digits"),
        ("name", "root", "exists"),
        ("name", "ROOT", "exists"),
        ("groups", "Operators", "valid choice"),
        ("password", "short", "too short"),
        ("password", "password1234", "too common"),
        ("again", "another one entirely", "not the same"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nobody_is_made(
    root: Client, field: str, value: str, fault: str
):
    values = {**GOOD, field: value}
    if field == "password":
        values["again"] = value
    html = send(root, url("person_add"), **values)
    assert fault in html
    assert "Nothing was written" in html
    assert f'value="{PASSWORD}"' not in html
    assert User.objects.count() == 1
    assert actions() == []


def test_groups_are_changed_and_a_password_is_set_which_ends_sessions(root: Client):
    olga = user_of("olga", Role.OPERATOR)
    hers = logged_in(olga)
    send(root, url("person", olga.pk, "groups"), groups=["Approver", "Viewer"])
    assert sorted(olga.groups.values_list("name", flat=True)) == ["Approver", "Viewer"]
    assert hers.get(reverse("admin:console_setup")).status_code == 200
    send(root, url("person", olga.pk, "password"), password=PASSWORD, again=PASSWORD)
    assert hers.get(reverse("admin:console_setup")).status_code == 302
    assert actions()[-1] == "user.password_changed"


def test_a_person_is_let_in_no_more_with_a_reason_and_again(root: Client):
    olga = user_of("olga", Role.OPERATOR)
    hers = logged_in(olga)
    assert "Say why" in send(root, url("person", olga.pk, "deactivate"), comment="")
    send(root, url("person", olga.pk, "deactivate"), comment="left")
    assert hers.get(reverse("admin:console_setup")).status_code == 302
    send(root, url("person", olga.pk, "activate"), comment="is back")
    assert actions()[-2:] == ["user.deactivated", "user.activated"]


@pytest.mark.parametrize("verb", ["deactivate", "groups", "password"])
def test_nobody_locks_himself_out(root: Client, verb: str):
    me = User.objects.get(username="root")
    other = f"{PASSWORD} 1"
    html = send(root, url("person", me.pk, verb), comment="oops", password=other, again=other)
    assert "ask another person" in html
    me.refresh_from_db()
    assert me.is_active
    assert me.check_password(PASSWORD)
    assert actions() == ["user.refused"]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("verb", ["groups", "password", "deactivate", "activate"])
def test_no_group_alone_may_change_people(db: None, role: Role, verb: str):
    olga, client = user_of("olga"), client_of("vera", role)
    assert client.get(url("person", olga.pk, verb)).status_code == 403
    before = len(actions())
    assert actions()[-1] == "page.denied"
    assert client.post(url("person", olga.pk, verb), {"comment": "x"}).status_code == 403
    assert actions()[before:] == ["set_up.denied"]
    assert User.objects.get(pk=olga.pk).is_active


def test_the_page_says_in_words_what_each_group_may_do(root: Client):
    page = Console(root).open(url("people"))
    rows = {row[0]: row[1] for row in page.section("What each group may do").rows[1:]}
    assert set(RIGHTS_OF_ROLES) <= set(rows)
    assert rows["Viewer"] == "look at everything"
    assert "approve a decision" in rows["Approver"]
    assert "pause" not in rows["Compliance"]


@pytest.mark.parametrize("address", ["person/9999/groups", "person/1/sing", "people/x/groups"])
def test_what_is_not_there_is_not_found(root: Client, address: str):
    assert root.get(f"/admin/set-up/{address}/").status_code == 404


def test_settings_say_value_default_source_and_purpose(root: Client, settings: LazySettings):
    settings.RECON_ENVIRON = {
        "RECON_POSITION_PARITY_CONFIRMATIONS": "7",
        "RECON_POSITION_PARITY_DRY_RUN": "false",
    }
    settings.SET_BY_FILE = frozenset({"RECON_POSITION_PARITY_CONFIRMATIONS"})
    page = Console(root).open(url("settings"))
    rows = {row[0]: row[1:] for row in page.section("Reconciliation").rows[1:]}
    assert rows["RECON_POSITION_PARITY_CONFIRMATIONS"][:3] == ["7 (changed)", "3", ".env file"]
    assert rows["RECON_POSITION_PARITY_DRY_RUN"][0] == "false"
    assert rows["RECON_INTERVAL_SECONDS"][:3] == ["60", "60", "default"]
    assert "quarantine" in rows["RECON_POSITION_PARITY_REQUIRE_SUBTAG_ATTRIBUTION"][3]
    assert rows["RECON_FOUR_EYES_MIN_NOTIONAL_USD"][0] == "not set"


def test_no_secret_of_the_portal_is_on_the_page_of_settings(root: Client, settings: LazySettings):
    settings.INTERNAL_API_TOKEN = "a-token-of-monitoring"
    settings.REDIS_URL = "redis://:redis-password@host/0"
    html = Console(root).open(url("settings")).html
    for secret in ("a-token-of-monitoring", "redis-password", django_settings.SECRET_KEY):
        assert secret not in html
    assert "SECRET_KEY" in html
