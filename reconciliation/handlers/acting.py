"""On whose behalf this thread works: for writes that Django's own pages do, and signals tell of."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from reconciliation.domain.audit import system_actor
from reconciliation.domain.people import Person

SHELL = Person(actor=system_actor("shell"), rights=frozenset())
"""Whoever changes users without a request: a command, a shell, a set-up."""

_person: ContextVar[Callable[[], Person] | None] = ContextVar("acting_person", default=None)

_denials: ContextVar[list[str] | None] = ContextVar("denials", default=None)


@contextmanager
def acting(person: Callable[[], Person]) -> Iterator[None]:
    """Let what happens within be the doing of a person, who is only loaded if anything does."""
    token, denied = _person.set(person), _denials.set([])
    try:
        yield
    finally:
        _person.reset(token)
        _denials.reset(denied)


def acting_person() -> Person:
    """Return who acts in this thread."""
    person = _person.get()
    return SHELL if person is None else person()


def is_request() -> bool:
    """Return whether this thread answers somebody's request."""
    return _person.get() is not None


def note_denial(action: str) -> None:
    """Remember that a denial was recorded while a request is answered."""
    denials = _denials.get()
    if denials is not None:
        denials.append(action)


def is_denial_told() -> bool:
    """Return whether an event of this request has told of a denial already."""
    return bool(_denials.get())
