"""On whose behalf this thread works: for writes that Django's own pages do, and signals tell of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from reconciliation.domain.audit import system_actor
from reconciliation.domain.people import Person

SHELL = Person(actor=system_actor("shell"), rights=frozenset())
"""Whoever changes users without a request: a command, a shell, a set-up."""

_person: ContextVar[Callable[[], Person] | None] = ContextVar("acting_person", default=None)


@contextmanager
def acting(person: Callable[[], Person]) -> Iterator[None]:
    """Let what happens within be the doing of a person, who is only loaded if anything does."""
    token = _person.set(person)
    try:
        yield
    finally:
        _person.reset(token)


def acting_person() -> Person:
    """Return who acts in this thread."""
    person = _person.get()
    return SHELL if person is None else person()
