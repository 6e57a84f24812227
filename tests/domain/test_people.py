"""What a person may do is what he has a right to, and nothing else."""

import pytest

from reconciliation.domain.audit import Actor
from reconciliation.domain.people import Person
from reconciliation.enums import RIGHTS_OF_ROLES, ActorType, Right, Role


def person(*rights: Right) -> Person:
    return Person(actor=Actor(type=ActorType.USER, id="7", name="olga"), rights=frozenset(rights))


@pytest.mark.parametrize("held", Right)
def test_a_right_allows_itself_alone(held: Right):
    assert {right for right in Right if person(held).may(right)} == {held}


def test_nobody_may_anything_without_a_right():
    assert not any(person().may(right) for right in Right)


def test_every_role_has_its_rights_and_a_viewer_has_none():
    assert RIGHTS_OF_ROLES.keys() == set(Role)
    assert RIGHTS_OF_ROLES[Role.VIEWER] == frozenset()


def test_no_role_can_both_propose_and_approve():
    for rights in RIGHTS_OF_ROLES.values():
        assert not {Right.PROPOSE, Right.APPROVE} <= rights
