"""An event's page: whose groups it tells, and that nothing in a tampered event keeps it shut."""

import pytest
from django.contrib.auth.models import User

from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.enums import ActorType
from reconciliation.handlers.sign_ins import record_failed_login, record_login
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent
from tests.admin.pages import Console, object_address
from tests.builders import FixedClock
from tests.guards import guards_lifted

pytestmark = pytest.mark.django_db
SURROUNDINGS = {"clock": FixedClock(), "settings_hash": "", "ip": ""}


def approved() -> AuditEvent:
    """Return an event that anna approved and olga, an Operator, had proposed."""
    anna = Actor(type=ActorType.USER, id="8", name="anna", groups=("Approver",))
    with transaction_unit(actor=anna, clock=FixedClock()) as unit:
        unit.record(EventDraft(action="review.approved", maker="olga", checker="anna"))
    return AuditEvent.objects.latest("sequence")


def fact(console: Console, name: str) -> str:
    """Return what the page of `approved` says beside a name, as HTML."""
    page = console.get(object_address(approved())).content.decode()
    return page.partition(f'<th scope="row">{name}</th><td>')[2].partition("</td>")[0]


def test_a_login_that_failed_under_a_name_tells_nothing_of_its_groups(console: Console):
    olga = Actor(type=ActorType.USER, id="7", name="olga", groups=("Operator",))
    record_login(actor=olga, **SURROUNDINGS)
    record_failed_login(name="olga", **SURROUNDINGS)
    assert fact(console, "Groups of the maker then").startswith("Operator (")


def test_whoever_the_trail_tells_nothing_of_is_said_so(console: Console):
    User.objects.create_user("olga")
    said = fact(console, "Groups of the maker then")
    assert said == "no event of that person&#x27;s own tells of them"


@pytest.mark.parametrize(
    "values",
    [
        {"payload": "x"},
        {"payload": '{"actor_groups": 5, "before": {}, "after": [], "evidence": 5, "maker": {}}'},
        {"outcome": "x"},
        {"object_type": "user", "object_id": "9" * 30},
        {"leaf": "x", "previous_hash": "x", "hash": "x"},
    ],
)
def test_the_page_of_a_tampered_event_opens_and_says_so(console: Console, values: dict[str, str]):
    event = approved()
    with guards_lifted():
        AuditEvent.objects.filter(pk=event.pk).update(**values)
    text = console.open(object_address(event)).main.text
    assert ("not the one that was sealed" in text or "does not hold" in text) == (
        "outcome" not in values and "object_id" not in values
    )
    assert console.get("/admin/audit/").status_code == 200
