"""Whoever is logged in, with every right there is: no page of the console writes the books."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client

from reconciliation.enums import Role
from reconciliation.models import AuditEvent, AuditHead
from tests.admin.conftest import logged_in
from tests.admin.pages import address, list_address, object_address
from tests.admin.story import Story

REGISTERED = [model for model in admin.site._registry if model._meta.app_label == "reconciliation"]
PEOPLE = ["superuser", *Role]


def rows_of(models: list[type[Model]]) -> dict[str, list[dict[str, Any]]]:
    return {
        model.__name__: list(model._default_manager.order_by("pk").values())
        for model in models
        # That somebody was not let in is told by the trail, which has no page that writes it.
        if model not in (AuditEvent, AuditHead)
    }


def someone(who: str) -> Client:
    if who == "superuser":
        return logged_in(User.objects.create_superuser("root", password="irrelevant"))
    user = User.objects.create_user("someone", password="irrelevant", is_staff=True)
    user.groups.add(Group.objects.get(name=who))
    return logged_in(user)


@pytest.mark.parametrize("who", PEOPLE)
def test_nobody_can_add_change_or_delete_a_row_of_any_model(story: Story, who: str):
    client = someone(who)
    before = rows_of(REGISTERED)
    assert len(REGISTERED) > 20
    for model in REGISTERED:
        row = model._default_manager.order_by("pk").first()
        addresses = [address(model, "add")]
        if row is not None:
            addresses += [object_address(row), address(model, "delete", row.pk)]
            whole_list = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
            client.post(list_address(model), whole_list)
            client.post(list_address(model), {"_save": "Save", "form-TOTAL_FORMS": "1"})
        for each in addresses:
            body = {"post": "yes", "_save": "Save", "status": "CLOSED", "comment": "mine"}
            assert client.post(each, body).status_code == 403, each
    assert rows_of(REGISTERED) == before


@pytest.mark.parametrize("who", Role)
def test_every_role_may_look_at_every_page(story: Story, who: Role):
    client = someone(who)
    for model in REGISTERED:
        row = model._default_manager.order_by("pk").first()
        assert client.get(list_address(model), follow=True).status_code == 200
        if row is not None:
            assert client.get(object_address(row)).status_code == 200
