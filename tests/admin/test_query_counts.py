"""No page asks the database more often because there are more rows."""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from reconciliation.models import AuditEvent, AuditHead
from tests.admin.pages import Console, list_address, object_address
from tests.admin.story import Story, add_to, tell

pytestmark = pytest.mark.django_db

MODELS = list(apps.get_app_config("reconciliation").get_models())
# Session, user, count and rows, and two for filters by account and profile.
MOST_OF_A_LIST = 7
# Session, user, the row, and one for each table of related rows.
MOST_OF_A_PAGE = 10


def statements(console: Console, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        console.open(address)
    return [query["sql"] for query in queries]


def same(before: list[str], after: list[str], *, most: int) -> None:
    assert len(after) == len(before), "\n".join(after)
    assert len(after) <= most, "\n".join(after)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_of_fifty_rows_takes_no_more_statements_than_one_of_five(
    console: Console, model: type[Model]
):
    for number in range(5):
        tell(number, apart=True)
    before = statements(console, list_address(model))
    for number in range(5, 50):
        tell(number, apart=True)
    if model is not AuditHead:
        assert model._default_manager.count() >= 50
    same(before, statements(console, list_address(model)), most=MOST_OF_A_LIST)


PAGES: dict[str, Callable[[Story], Model]] = {
    "account": lambda story: story.account,
    "allocation": lambda story: story.allocation,
    "audit event": lambda story: AuditEvent.objects.get(sequence=2),
    "coverage": lambda story: story.coverage,
    "fill": lambda story: story.fill,
    "history row": lambda story: story.history,
    "lease": lambda story: story.profile.lease,
    "mismatch": lambda story: story.mismatch,
    "order": lambda story: story.order,
    "position": lambda story: story.position,
    "profile": lambda story: story.profile,
    "run": lambda story: story.run,
    "sighting": lambda story: story.sighting,
    "trade": lambda story: story.trade,
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_with_fifty_related_rows_takes_no_more_statements_than_one_with_five(
    console: Console, story: Story, name: str
):
    address = object_address(PAGES[name](story))
    for number in range(5):
        add_to(story, number)
    before = statements(console, address)
    for number in range(5, 50):
        add_to(story, number)
    same(before, statements(console, address), most=MOST_OF_A_PAGE)


def test_a_search_takes_no_more_statements_for_more_rows(console: Console):
    tell(1, apart=True)
    addresses = [f"{list_address(model)}?q=trade-1" for model in MODELS]
    before = [len(statements(console, address)) for address in addresses]
    for number in range(2, 20):
        tell(number, apart=True)
    assert [len(statements(console, address)) for address in addresses] == before
