"""People of tests, with rights of their own; no user of the database has their ids."""

from reconciliation.domain.audit import Actor
from reconciliation.domain.people import Person
from reconciliation.enums import ActorType, Right


def person(name: str = "olga", *rights: Right) -> Person:
    """Return a person with those rights, the right to pause unless given."""
    return Person(
        actor=Actor(type=ActorType.USER, id="900000007", name=name, groups=("Operator",)),
        rights=frozenset(rights or {Right.PAUSE}),
        request_id="request-1",
        ip="10.0.0.1",
    )


def nobody() -> Person:
    """Return a person who may only look."""
    return Person(
        actor=Actor(type=ActorType.USER, id="900000008", name="vera", groups=("Viewer",)),
        rights=frozenset(),
    )
