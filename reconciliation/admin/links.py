"""Links from row to row: the url and the words of each object of the portal."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import capfirst

from reconciliation.admin.display import NOTHING, visible
from reconciliation.models import (
    AcceptedPosition,
    AuditEvent,
    BackfillCandidate,
    CapitalBalance,
    CapitalEntry,
    Decision,
    Errand,
    Escalation,
    EscalationSighting,
    FillAllocation,
    FillCoverage,
    Mismatch,
    MismatchSighting,
    OrderLookUp,
    OutsideEdit,
    ParityReading,
    ParityWatch,
    Pause,
    Position,
    ProfileLease,
    ReviewItem,
    Run,
    TradeHistory,
    WatchdogState,
)

# What a link says where a row has no name of its own. None of them reads another row.
_LABELS: Mapping[type[Model], Callable[[Any], str]] = {
    AcceptedPosition: lambda row: f"{row.symbol} {row.side}",
    AuditEvent: lambda event: f"event {event.sequence}",
    BackfillCandidate: lambda row: f"candidate {row.pk}",
    CapitalBalance: lambda row: f"capital {row.pk}",
    CapitalEntry: lambda row: f"entry {row.pk}",
    Decision: lambda row: f"decision {row.pk}",
    Errand: lambda row: f"errand {row.pk}",
    Escalation: lambda row: f"escalation {row.pk}",
    EscalationSighting: lambda row: f"sighting {row.pk}",
    FillAllocation: lambda allocation: f"allocation {allocation.pk}",
    FillCoverage: lambda coverage: f"coverage {coverage.pk}",
    Mismatch: lambda mismatch: f"mismatch {mismatch.pk}",
    MismatchSighting: lambda sighting: f"sighting {sighting.pk}",
    OutsideEdit: lambda row: f"edit {row.pk}",
    OrderLookUp: lambda look_up: f"look up {look_up.pk}",
    ParityReading: lambda row: f"reading {row.pk}",
    ParityWatch: lambda row: f"watch {row.pk}",
    Pause: lambda row: f"pause {row.pk}",
    Position: lambda position: f"{position.symbol} {position.direction}",
    ProfileLease: lambda lease: f"lease {lease.pk}",
    ReviewItem: lambda item: f"item {item.pk}",
    Run: lambda run: f"run {run.pk}",
    TradeHistory: lambda row: f"{row.kind} {row.pk}",
    WatchdogState: lambda row: f"watchdog {row.pk}",
}


_ONE_LINE = 32
_SHORT, _SHORT_END = 16, 10


def label(obj: Model) -> str:
    """Return the words that name a row, harmless to show."""
    words = _LABELS.get(type(obj), str)(obj)
    return visible(words) or f"{obj._meta.verbose_name} {obj.pk}"


def title(obj: Model) -> str:
    """Return the title of a row's page: what it is, and its name."""
    kind, words = str(obj._meta.verbose_name), label(obj)
    # "audit event" and "event 7" make "Audit event 7".
    name = words.removeprefix(f"{kind.split()[-1]} ")
    return f"{capfirst(kind)} {name}"


def object_url(model: type[Model], pk: object) -> str:
    """Return the address of the page of one row."""
    return reverse(_view_name(model, "change"), args=[quote(str(pk))])


def changelist_url(model: type[Model], lookups: Mapping[str, object] | None = None) -> str:
    """Return the address of a list, narrowed by lookups that its admin declares."""
    url = reverse(_view_name(model, "changelist"))
    return f"{url}?{urlencode(lookups)}" if lookups else url


def page_url(name: str, *args: object) -> str:
    """Return the address of a page of the console."""
    return reverse(f"admin:{name}", args=args)


def link(obj: Model | None) -> str:
    """Return a link to the page of a row, or a dash for no row."""
    return NOTHING if obj is None else link_to(type(obj), obj.pk, label(obj))


def short_link(obj: Model | None) -> str:
    """Return a link by the end of a long name, for tables; the whole name is its tooltip."""
    if obj is None:
        return NOTHING
    words = label(obj)
    if len(words) <= _SHORT:
        return link(obj)
    url = object_url(type(obj), obj.pk)
    return format_html('<a href="{}" class="nowrap" title="{}">{}</a>', url, words, _end_of(words))


def short(words: str) -> str:
    """Return the end of a long name, for tables; the whole name is its tooltip."""
    if len(words) <= _SHORT:
        return words
    return format_html('<span class="nowrap" title="{}">{}</span>', words, _end_of(words))


def link_to(model: type[Model], pk: object, words: str) -> str:
    """Return a link to the page of a row that need not be at hand."""
    return anchor(object_url(model, pk), words)


def anchor(url: str, words: str) -> str:
    """Return a link; address and words are escaped. Short words stay on one line."""
    css = "nowrap" if len(words) <= _ONE_LINE else ""
    return format_html('<a href="{}" class="{}">{}</a>', url, css, words)


def _end_of(words: str) -> str:
    # The last characters tell ids apart: what they begin with, many of them share.
    return f"…{words[-_SHORT_END:]}"


def _view_name(model: type[Model], view: str) -> str:
    return f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}"
