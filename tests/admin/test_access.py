"""Who may look, and that nobody may write: not a superuser either."""

from collections.abc import Callable

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from reconciliation.domain.audit_filter import AuditFilter
from reconciliation.models import (
    AuditEvent,
    AuditHead,
    BackfillCandidate,
    ExternalOrder,
    Order,
    ReviewItem,
)
from tests.admin.pages import Console, address, list_address, object_address, result_rows
from tests.admin.story import Story

MODELS = list(apps.get_app_config("reconciliation").get_models())
ids = [model.__name__ for model in MODELS]
QUEUES = {ReviewItem, BackfillCandidate, ExternalOrder}


def books_of(model: type[Model]) -> list[dict[str, object]]:
    """Return the rows of a model; of the trail, those before somebody was not let in."""
    if model is AuditHead:
        return []
    rows = list(model._default_manager.order_by("pk").values())
    return [row for row in rows if row.get("action") != "page.denied"]


def a_row_of(model: type[Model]) -> Model:
    row = model._default_manager.order_by("pk").first()
    assert row is not None, f"the story has no {model.__name__}"
    return row


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_every_model_has_a_list_and_a_page_for_each_row(
    console: Console, story: Story, model: type[Model]
):
    assert model in admin.site._registry
    assert len(result_rows(console.list_of(model))) == model._default_manager.count()
    assert console.page_of(a_row_of(model)).sections


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_a_superuser_can_neither_add_nor_change_nor_delete(
    console: Console, story: Story, model: type[Model]
):
    row = a_row_of(model)
    before = books_of(model)

    assert console.get(address(model, "add")).status_code == 403
    assert console.post(address(model, "add")).status_code == 403
    assert console.post(object_address(row), status="CLOSED").status_code == 403
    assert console.get(address(model, "delete", row.pk)).status_code == 403
    assert console.post(address(model, "delete", row.pk), post="yes").status_code == 403
    console.post(
        list_address(model), action="delete_selected", _selected_action=str(row.pk), post="yes"
    )

    assert books_of(model) == before


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_the_pages_offer_no_form_that_writes(console: Console, story: Story, model: type[Model]):
    for page in (console.list_of(model), console.page_of(a_row_of(model))):
        names = {attributes.get("name") for tag, attributes in page.elements if tag == "input"}
        # The search box, the token of the list's empty form and of the log-out button. Marks of a
        # queue lead to a confirmation; they change no row.
        marks = {"_selected_action", "select_across"} if model in QUEUES else set()
        if model is AuditEvent:
            marks = set(AuditFilter.__dataclass_fields__)
        assert names <= {None, "q", "csrfmiddlewaretoken", *marks}


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_staff_without_the_permission_to_view_are_refused(
    staff: Callable[..., Console], story: Story, model: type[Model]
):
    console = staff()
    row = a_row_of(model)
    assert console.get(list_address(model)).status_code == 403
    assert console.get(object_address(row)).status_code == 403
    assert console.get(address(model, "history", row.pk)).status_code == 403


def test_a_stranger_is_sent_to_the_log_in_page(client: Client, story: Story):
    response = client.get(object_address(story.order))
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_an_object_page_shows_no_rows_of_models_that_the_user_may_not_view(
    staff: Callable[..., Console], story: Story
):
    page = staff(Order).page_of(story.order)
    assert page.section("Order").fact("Client order id") == "client-1"
    assert not any("audit" in title.lower() or "fill" in title.lower() for title in page.titles())
    assert "trade.entry_filled" not in page.html


def test_the_history_address_leads_to_the_audit_trail(console: Console, story: Story):
    response = console.get(address(Order, "history", story.order.pk))
    assert response.status_code == 302
    page = console.open(response["Location"])
    assert f"did order.filled to order {story.order.pk}" in page.main.text


@pytest.mark.parametrize("pk", [2**63, "9" * 4500])
@pytest.mark.parametrize("model", [*MODELS, User, Group], ids=[*ids, "User", "Group"])
def test_a_number_beyond_every_key_is_not_found(console: Console, model: type[Model], pk: object):
    for what in ("change", "history", *(["password_change"] if model is User else [])):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{what}"
        assert console.get(reverse(name, args=[pk])).status_code in (302, 404), what


@pytest.mark.parametrize("pk", ["999999", "abc", "9" * 40, "1_2F", "-1"])
def test_a_row_that_does_not_exist_is_not_found(console: Console, pk: str):
    assert console.get(address(Order, "change", pk)).status_code == 404
