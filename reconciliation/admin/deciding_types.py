"""What the pages of decisions speak in: offers, terms, previews, answers; and who asks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import uuid4

from django.conf import settings
from django.db.models import QuerySet
from django.forms import Field
from django.http import HttpRequest

from reconciliation import conf as portal_conf
from reconciliation.admin.page import Section
from reconciliation.clock import Clock, SystemClock
from reconciliation.conf import Conf
from reconciliation.domain.people import Person
from reconciliation.enums import DecisionReason, DecisionRefusal, Right, RunKind
from reconciliation.models import Decision
from reconciliation.selectors.consequences import Effect
from reconciliation.selectors.decisions import EvidenceAge
from reconciliation.selectors.people import load_person


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """Who looks at a page: what it may offer him. It decides nothing."""

    id: str
    name: str
    holds: Callable[[str], bool]

    @classmethod
    def of(cls, request: HttpRequest) -> "Viewer":
        user = request.user
        return cls(id=str(user.pk), name=user.get_username(), holds=user.has_perm)

    def may(self, *rights: Right) -> bool:
        """Return whether he has one of the rights."""
        return any(self.holds(f"reconciliation.{right}") for right in rights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """With what a handler is called: the person as he is now, the settings, the clock."""

    person: Person
    conf: Conf
    clock: Clock

    @classmethod
    def of(cls, request: HttpRequest) -> "Desk":
        ip = str(request.META.get("REMOTE_ADDR", ""))
        person = load_person(request.user, request_id=uuid4().hex, ip=ip)
        return cls(person=person, conf=load_conf(), clock=SystemClock())


def load_conf() -> Conf:
    """Return the settings in force."""
    return portal_conf.require(settings.RECON_ENVIRON)


def page_clock() -> Clock:
    """Return the clock by which a page tells what is now."""
    return SystemClock()


def now() -> datetime:
    """Return the moment at which a page is shown."""
    return page_clock().now()


def clock() -> Clock:
    """Return the clock that pages go by."""
    return SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Something that could be done now. `why_not` says why this person may not; empty: he may."""

    verb: str
    label: str
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a person typed. `version` is of the page that he saw, None for whichever there is."""

    version: int | None = None
    reason: DecisionReason | None = None
    comment: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    shares: Mapping[int, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be written with some terms, or by which `code` it would be refused."""

    sections: Sequence[Section] = ()
    notional: Decimal | None = None
    sentences: Sequence[str] = ()
    effect: Effect | None = None
    """What is written, as far as it changes what profiles may do and have; None: nothing is."""
    second: str = ""
    """Why a second person has to agree; empty where one is enough."""
    code: DecisionRefusal | None = None
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of asking, in a sentence. `code` says why it was refused."""

    sentence: str
    code: DecisionRefusal | None = None
    stays: bool = False
    """Whether the row is not answered by it: its page is shown again."""


class Case(Protocol):
    """One row about which a person decides, and all that its pages ask of it."""

    @property
    def row(self) -> Any: ...

    @property
    def version(self) -> int: ...

    @property
    def is_waiting(self) -> bool: ...

    def offers(self, viewer: Viewer) -> list[Offer]:
        """Return what could be done now, also what this person may not do."""

    def rights(self, verb: str) -> tuple[Right, ...]:
        """Return the rights of which one is needed; no verb of the row has none."""

    def fields(self, verb: str) -> dict[str, Field]:
        """Return the fields of a verb beside reason and comment."""

    def takers(self, verb: str) -> Sequence[tuple[int, str]]:
        """Return the slices, by row id, over which a verb can share something out."""

    def facts(self) -> list[Section]:
        """Return in short what is decided on."""

    def preview(self, verb: str, terms: Terms, viewer: Viewer) -> Preview:
        """Return what would be written."""

    def decide(self, verb: str, terms: Terms, desk: Desk) -> Told:
        """Call the handler."""

    def decisions(self) -> QuerySet[Decision]:
        """Return what was decided of it."""

    def waiting(self) -> QuerySet[Any]:
        """Return the rows of its queue that wait."""


class QueuedCase(Case, Protocol):
    """A row of a queue: a job sees its evidence, which grows old."""

    @property
    def tells_age(self) -> bool:
        """Return whether its own sections say how old its evidence is."""

    @property
    def job(self) -> RunKind:
        """Return the job that sees its evidence."""

    def age(self) -> EvidenceAge:
        """Return how old its evidence is now."""
