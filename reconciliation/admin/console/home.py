"""The first page: is it safe, what is wrong, what is to be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from reconciliation.admin import deciding_types, display
from reconciliation.admin.base import may_view
from reconciliation.admin.console import advice
from reconciliation.admin.console.bars import chart_of
from reconciliation.admin.console.cards import cards_of
from reconciliation.admin.console.meters import meter_of, pause_shown
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.links import changelist_url, link, page_url
from reconciliation.conf import Conf
from reconciliation.domain.due import DUE_AFTER
from reconciliation.enums import (
    EscalationStatus,
    ExternalStatus,
    HealthStatus,
    MismatchKind,
    MismatchStatus,
)
from reconciliation.models import (
    BackfillCandidate,
    Escalation,
    ExchangeAccount,
    ExternalOrder,
    Mismatch,
    Pause,
    ReviewItem,
    Run,
    WatchdogState,
)
from reconciliation.schedules import load_next_runs
from reconciliation.selectors.arrivals import load_arrivals
from reconciliation.selectors.locks import load_run_claims
from reconciliation.selectors.portal import Reading, load_reading
from reconciliation.selectors.problems import find_problems, portal_status
from reconciliation.selectors.waiting import QueueName, Waiting, load_waiting
from reconciliation.selectors.watchdog import load_held_pauses, load_strains

REFRESH_SECONDS = 15
ESCALATIONS_SHOWN = PROFILES_SHOWN = 30

_HEADLINES: Mapping[HealthStatus, tuple[str, str]] = {
    HealthStatus.OK: (
        "Healthy",
        "Every account was read in time, and nothing is open. Nothing stands in the way of "
        "trading.",
    ),
    HealthStatus.DEGRADED: (
        "Degraded",
        "The jobs run, and something is open. Where it concerns a profile, the gate keeps its "
        "bot from opening anything new.",
    ),
    HealthStatus.DOWN: (
        "Down",
        "The reconciliation loop does not finish in time on every account. What is shown may be "
        "old, and the bots concerned are told to open nothing until their exchange is read again.",
    ),
}
_OPEN = {"status__exact": MismatchStatus.OPEN.value}
_WAITS = {"status__in": advice.WAITS}
_QUEUES: Mapping[QueueName, tuple[type[Model], str, Mapping[str, str]]] = {
    QueueName.QUARANTINE: (ReviewItem, "Quarantined slices", _WAITS),
    QueueName.MISSED_EXITS: (BackfillCandidate, "Missed exits", _WAITS),
    QueueName.EXTERNAL_ORDERS: (
        ExternalOrder,
        "Orders of nobody",
        {"status__exact": ExternalStatus.PENDING.value},
    ),
    QueueName.UNATTRIBUTED_FILLS: (
        Mismatch,
        "Fills of nobody",
        _OPEN | {"kind__exact": MismatchKind.UNATTRIBUTED_FILL.value},
    ),
    QueueName.ORPHAN_POSITIONS: (
        Mismatch,
        "Positions of nobody",
        _OPEN | {"kind__exact": MismatchKind.ORPHAN_POSITION.value},
    ),
    QueueName.SHARED_SHORTFALLS: (
        Mismatch,
        "Shared shortfalls",
        _OPEN | {"kind__exact": MismatchKind.POSITION_MISMATCH.value, "trade__isnull": "True"},
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why the state is what it is, and what to do about it."""

    says: str
    advice: advice.Advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """The state of the portal in words; `status` is only its colour."""

    status: str
    state: str
    sentence: str
    reasons: Sequence[Reason]
    notes: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueShown:
    """A queue; `overdue` counts what waits for longer than it should."""

    title: str
    url: str
    count: int
    oldest: str
    overdue: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EscalationsShown:
    """The escalations of a kind, with what to do about each of them."""

    kind: str
    todo: str
    lines: Sequence[str]


def home(request: HttpRequest) -> HttpResponse:
    """Show the whole portal on one page; a section is left out for who may not see its rows."""
    clock, conf = deciding_types.page_clock(), deciding_types.load_conf()
    now, reading = clock.now(), load_reading(conf=conf, clock=clock)
    accounts = {row.pk: row for row in ExchangeAccount.objects.defer("options").order_by("name")}
    shown: dict[str, Any] = {
        "banner": banner_of(reading, conf),
        "is_empty": not accounts,
        "setup_url": page_url("console_setup"),
        "due_after": display.span(DUE_AFTER.total_seconds()),
        "app_list": admin.site.get_app_list(request),
        "may_look": any(may_view(request, model) for model in (Run, Mismatch, ReviewItem)),
    }
    if accounts:
        shown |= _sections(request, reading, accounts, conf=conf, now=now)
    return render(
        request,
        title=str(admin.site.index_title),
        template="admin/console/home.html",
        refresh_seconds=REFRESH_SECONDS,
        **shown,
    )


def _sections(
    request: HttpRequest,
    reading: Reading,
    accounts: Mapping[int, ExchangeAccount],
    *,
    conf: Conf,
    now: datetime,
) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if may_view(request, Run):
        shown["cards"] = cards_of(
            reading.loops,
            accounts,
            claims=load_run_claims(clock=deciding_types.page_clock()),
            next_runs=load_next_runs(),
            conf=conf,
            now=now,
        )
        shown["disabled"] = [link(row) for row in accounts.values() if not row.enabled]
    queues = [
        _queue(waiting, now)
        for waiting in load_waiting(now=now)
        if may_view(request, _QUEUES[waiting.queue][0])
    ]
    shown["queues"] = queues
    if may_view(request, Pause):
        held = load_held_pauses(conf=conf, now=now)
        shown["pauses"] = [pause_shown(each, now=now) for each in held]
    if may_view(request, WatchdogState):
        strains = load_strains(conf=conf)
        shown["meters"] = [meter_of(each, now=now) for each in strains[:PROFILES_SHOWN]]
        shown["more_profiles"] = max(0, len(strains) - PROFILES_SHOWN)
    if may_view(request, Mismatch):
        shown["chart"] = chart_of(load_arrivals(now=now))
    if may_view(request, Escalation):
        shown["escalations"] = _escalations(now)
        shown["escalations_url"] = changelist_url(
            Escalation, {"status__exact": EscalationStatus.OPEN.value}
        )
        shown["escalations_shown"] = ESCALATIONS_SHOWN
    return shown


def banner_of(reading: Reading, conf: Conf) -> Banner:
    """Return what /internal/health says of the same reading, each reason with its advice."""
    status = portal_status(reading, conf=conf)
    state, sentence = _HEADLINES[status]
    notes = []
    if not conf.parity_enabled:
        notes.append("The position heartbeat is switched off: ghosts are not looked for.")
    elif conf.parity_dry_run:
        notes.append("The heartbeat is a dry run: it closes nothing and quarantines nothing.")
    return Banner(
        status=str(status),
        state=state,
        sentence=sentence,
        reasons=[
            Reason(says=display.first_line(problem.says, 300), advice=advice.about(problem))
            for problem in find_problems(reading, conf=conf)
        ],
        notes=notes,
    )


def _queue(waiting: Waiting, now: datetime) -> QueueShown:
    model, title, lookups = _QUEUES[waiting.queue]
    return QueueShown(
        title=title,
        url=changelist_url(model, lookups),
        count=waiting.count,
        oldest=display.age(waiting.oldest, now) if waiting.oldest else "",
        overdue=waiting.overdue,
    )


def _escalations(now: datetime) -> list[EscalationsShown]:
    """Return those that are not resolved by kind, the newest first: one query by their status."""
    # Two statuses are asked for by name: `unresolved` would pass by the index.
    rows = Escalation.objects.filter(
        status__in=[EscalationStatus.OPEN, EscalationStatus.ACKNOWLEDGED]
    ).select_related("account", "profile")
    kinds: dict[str, list[str]] = {}
    for row in rows.defer("detail").order_by("-id")[:ESCALATIONS_SHOWN]:
        care = "nobody looks after it yet"
        if row.acknowledged_by:
            care = f"{display.text(row.acknowledged_by)} looks after it"
        about = row.profile or row.account
        says = display.first_line(row.says, 300)
        line = format_html(
            "{}, {}: {}; opened {}; {}",
            link(row),
            link(about),
            says if about is None else says.removeprefix(f"{about.name}: "),
            display.age(row.opened_at, now),
            care,
        )
        kinds.setdefault(row.kind, []).append(line)
    return [
        EscalationsShown(kind=kind, todo=advice.ESCALATIONS.get(kind, ""), lines=lines)
        for kind, lines in kinds.items()
    ]


PAGE = ConsolePage(
    name="index",
    route="",
    view=home,
    title="Home",
    answers="is it safe, what is wrong, what to do",
    nav=True,
    key="h",
)
