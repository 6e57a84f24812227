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

# The list of audit events is the explorer, whose statements are counted in its own tests.
MODELS = [
    model for model in apps.get_app_config("reconciliation").get_models() if model is not AuditEvent
]
# Session, user, count and rows, two for filters by account and profile, two for urgency.
MOST_OF_A_LIST = 9
# Session, user, the row, and one for each table of related rows.
MOST_OF_A_PAGE = 14
# Beside these: the question, its evidence's age, mark and proposal, slices that could take a fill,
# errand and streak.
MOST_OF_A_QUESTION = 28
# Beside these: the gate, its pauses and their ends, the watchdog, the lock.
MOST_OF_A_PROFILE = 22
# Beside the tables: the neighbours of a run, the lock of who was skipped.
MOST_OF_A_RUN = 20
# Beside the tables: each kind of moment of its timeline, its picture, its gate.
MOST_OF_A_TRADE = 50
QUESTIONS = frozenset({"candidate", "decision", "external order", "mismatch", "review item"})


def statements(console: Console, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        console.open(address)
    return [query["sql"] for query in queries]


def no_more_than_before(
    before: dict[str, list[str]], after: dict[str, list[str]], *, most: int
) -> None:
    for name, found in after.items():
        told = f"{name}:\n" + "\n".join(found)
        assert len(found) == len(before[name]), told
        limits = {
            **dict.fromkeys(QUESTIONS, MOST_OF_A_QUESTION),
            "profile": MOST_OF_A_PROFILE,
            "run": MOST_OF_A_RUN,
            "errand": MOST_OF_A_RUN,
            "trade": MOST_OF_A_TRADE,
        }
        assert len(found) <= limits.get(name, most), told


def test_lists_of_fifty_rows_take_no_more_statements_than_lists_of_five(console: Console):
    def of_all_lists() -> dict[str, list[str]]:
        return {model.__name__: statements(console, list_address(model)) for model in MODELS}

    for number in range(5):
        tell(number, apart=True)
    before = of_all_lists()
    for number in range(5, 50):
        tell(number, apart=True)
    for model in MODELS:
        assert model is AuditHead or model._default_manager.count() >= 50
    no_more_than_before(before, of_all_lists(), most=MOST_OF_A_LIST)


PAGES: dict[str, Callable[[Story], Model]] = {
    "account": lambda story: story.account,
    "API key": lambda story: story.api_key,
    "cluster": lambda story: story.beat,
    "allocation": lambda story: story.allocation,
    "audit event": lambda story: AuditEvent.objects.get(sequence=2),
    "coverage": lambda story: story.coverage,
    "external order": lambda story: story.external,
    "fill": lambda story: story.fill,
    "history row": lambda story: story.history,
    "leg": lambda story: story.leg,
    "lease": lambda story: story.profile.lease,
    "mismatch": lambda story: story.mismatch,
    "order": lambda story: story.order,
    "position": lambda story: story.position,
    "profile": lambda story: story.profile,
    "candidate": lambda story: story.candidate,
    "decision": lambda story: story.decision,
    "parity watch": lambda story: story.watch,
    "parity reading": lambda story: story.reading,
    "mark": lambda story: story.mark,
    "accepted position": lambda story: story.accepted,
    "pause": lambda story: story.pause,
    "watchdog": lambda story: story.watchdog,
    "capital": lambda story: story.balance,
    "capital entry": lambda story: story.entry,
    "escalation": lambda story: story.escalation,
    "escalation sighting": lambda story: story.escalation_sighting,
    "review item": lambda story: story.review,
    "run": lambda story: story.run,
    "sighting": lambda story: story.sighting,
    "trade": lambda story: story.trade,
}


def test_pages_with_fifty_related_rows_take_no_more_statements_than_pages_with_five(
    console: Console, story: Story
):
    def of_all_pages() -> dict[str, list[str]]:
        return {
            name: statements(console, object_address(row(story))) for name, row in PAGES.items()
        }

    for number in range(5):
        add_to(story, number)
    before = of_all_pages()
    for number in range(5, 50):
        add_to(story, number)
    no_more_than_before(before, of_all_pages(), most=MOST_OF_A_PAGE)


def test_a_search_takes_no_more_statements_for_more_rows(console: Console):
    tell(1, apart=True)
    addresses = [f"{list_address(model)}?q=trade-1" for model in MODELS]
    before = [len(statements(console, address)) for address in addresses]
    for number in range(2, 20):
        tell(number, apart=True)
    assert [len(statements(console, address)) for address in addresses] == before
