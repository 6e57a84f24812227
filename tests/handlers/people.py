"""People of tests, with rights of their own."""

from reconciliation.domain.audit import Actor
from reconciliation.domain.people import Person
from reconciliation.enums import ActorType, Right


def person(name: str = "olga", *rights: Right) -> Person:
    """Return a person with those rights, the right to pause unless given."""
    return Person(
        actor=Actor(type=ActorType.USER, id="7", name=name, groups=("Operator",)),
        rights=frozenset(rights or {Right.PAUSE}),
        request_id="request-1",
        ip="10.0.0.1",
    )


def nobody() -> Person:
    """Return a person who may only look."""
    return Person(
        actor=Actor(type=ActorType.USER, id="8", name="vera", groups=("Viewer",)),
        rights=frozenset(),
    )
