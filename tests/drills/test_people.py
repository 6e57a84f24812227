"""People of a drill exist from their first mention on."""

import pytest
from django.contrib.auth.models import User

from reconciliation.drills.people import person_named
from reconciliation.enums import Right

pytestmark = pytest.mark.django_db


def test_who_is_named_is_made_once_an_operator_and_an_approver():
    first, again = person_named("operator1"), person_named("operator1")
    assert first == again
    assert first.actor.groups == ("Approver", "Operator")
    assert first.rights >= {Right.PROPOSE, Right.APPROVE, Right.REJECT}
    assert Right.SET_UP not in first.rights
    assert not User.objects.get().has_usable_password()


def test_another_name_is_another_person():
    assert person_named("operator1").actor.id != person_named("operator2").actor.id
