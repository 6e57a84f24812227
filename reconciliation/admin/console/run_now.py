"""Run now: what it would do, said before it is asked for; a worker does it, and its page tells."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.text import capfirst
from django_q.models import Schedule

from reconciliation.admin import display
from reconciliation.admin.base import may_view
from reconciliation.admin.console.pages import render
from reconciliation.admin.deciding_terms import NO_RIGHT
from reconciliation.admin.deciding_types import Desk, Viewer, load_conf, now
from reconciliation.admin.errands import follow
from reconciliation.admin.links import changelist_url, link
from reconciliation.admin.page import Facts, Notice, Section
from reconciliation.clock import SystemClock
from reconciliation.conf import Conf
from reconciliation.enums import ErrandKind, Right, RunKind
from reconciliation.handlers.errands import ask_errand
from reconciliation.models import ExchangeAccount, Run
from reconciliation.selectors.locks import claimed_until

TEMPLATE = "admin/console/run_now.html"
_DOES = {
    ErrandKind.RECONCILE: (
        "It reads open orders, fills and positions of the exchange, compares the orders, and"
        " repairs what the evidence proves."
    ),
    ErrandKind.HEARTBEAT: (
        "It reads what the exchange holds, compares it with the open trades, and counts what it"
        " finds towards the confirmations; what is confirmed it closes or quarantines, as the"
        " settings say."
    ),
}
_JOBS = tuple(_DOES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something that can be chosen, and whether it is."""

    value: str
    words: str
    chosen: bool


def run_now(request: HttpRequest) -> HttpResponse:
    """Choose an account and a job, see what would be done, and ask for it."""
    if not may_view(request, Run):
        raise PermissionDenied
    given = request.POST if request.method == "POST" else request.GET
    account = _account(given.get("account", ""))
    kind = ErrandKind(given["job"]) if given.get("job") in _JOBS else None
    if not Viewer.of(request).may(Right.REFRESH):
        if request.method == "POST" and kind is not None:
            return _ask(request, kind, account)
        return _denied(request, NO_RIGHT)
    if request.method == "POST" and kind is not None and account is not None:
        if not _why_not(kind, account, load_conf()):
            return _ask(request, kind, account)
        return _show(request, kind, account, status=409)
    return _show(request, kind, account)


def _ask(request: HttpRequest, kind: ErrandKind, account: ExchangeAccount | None) -> HttpResponse:
    desk = Desk.of(request)
    asked = ask_errand(
        kind=kind, account=account, person=desk.person, conf=desk.conf, clock=desk.clock
    )
    followed = follow(asked)
    if followed is not None:
        return followed
    return _denied(request, asked.said)


def _denied(request: HttpRequest, said: str) -> HttpResponse:
    return render(
        request,
        title="Not allowed",
        template="admin/reconciliation/denied.html",
        opts=Run._meta,
        row_url=changelist_url(Run),
        label="the runs",
        sentence=capfirst(said),
        status=403,
    )


def _show(
    request: HttpRequest,
    kind: ErrandKind | None,
    account: ExchangeAccount | None,
    *,
    status: int = 200,
) -> HttpResponse:
    conf = load_conf()
    why_not = "" if kind is None or account is None else _why_not(kind, account, conf)
    sections: Sequence[Section] = ()
    if kind is not None and account is not None:
        sections = _told(kind, account, why_not, now())
    return render(
        request,
        title="Run a job now",
        trail=[("Runs", changelist_url(Run))],
        sections=sections,
        template=TEMPLATE,
        status=status,
        accounts=[
            Choice(
                value=str(each.pk),
                words=each.name if each.enabled else f"{each.name} (disabled)",
                chosen=each == account,
            )
            for each in ExchangeAccount.objects.order_by("name")[:200]
        ],
        jobs=[
            Choice(
                value=each.value,
                words=f"{each.label}: {_DOES[each]}",
                chosen=each == (kind or ErrandKind.RECONCILE),
            )
            for each in _JOBS
        ],
        chosen_account=account,
        chosen_job=kind,
        is_possible=kind is not None and account is not None and not why_not,
        list_url=changelist_url(Run),
    )


def _told(
    kind: ErrandKind, account: ExchangeAccount, why_not: str, moment: datetime
) -> Sequence[Section]:
    """Return what pressing the button would do."""
    if why_not:
        return [Notice(level="error", sentence=why_not)]
    last = Run.objects.filter(account=account, kind=kind.value).order_by("-started_at", "-id")
    job = kind.label.lower()
    return [
        Facts(
            title=f"What the {job} of {account.name} will do",
            rows=[
                ("It does", _DOES[kind]),
                ("It never does", "It places, changes or cancels no order at the exchange."),
                ("Schedule", _next_run(kind, moment)),
                ("Last run", link(last.first())),
                ("Under way", _under_way(kind, account)),
            ],
        )
    ]


def _next_run(kind: ErrandKind, moment: datetime) -> str:
    names = Schedule.objects.filter(name=kind.value.lower()).exclude(repeats=0)
    at = names.values_list("next_run", flat=True).first()
    if at is None:
        return (
            "no schedule runs this job: manage.py sync_schedules repairs that. Nothing else will"
            " do what this button does."
        )
    if at <= moment:
        return "the same as the next scheduled run, which is due now"
    seconds = (at - moment).total_seconds()
    return f"the same as the next scheduled run in {display.span(seconds)}"


def _under_way(kind: ErrandKind, account: ExchangeAccount) -> str:
    until = claimed_until(account_id=account.pk, kind=kind.value, clock=SystemClock())
    if until is None:
        return "no run of it is under way"
    return (
        f"a run of it is under way, at the longest until {until:%H:%M:%S} UTC: what you ask for"
        " waits for it and shows what it came to"
    )


def _why_not(kind: ErrandKind, account: ExchangeAccount, conf: Conf) -> str:
    if not account.enabled:
        return (
            f"{account.name} is disabled: no job reads it. It is enabled on the server, as"
            " docs/operations.md describes."
        )
    if RunKind(kind.value) == RunKind.HEARTBEAT and not conf.parity_enabled:
        return (
            "The heartbeat is switched off: ENABLE_RECON_POSITION_PARITY_HEARTBEAT=false. Set it"
            " to true and start the portal again to have positions compared."
        )
    return ""


def _account(given: str) -> ExchangeAccount | None:
    if not (given.isascii() and given.isdigit()) or len(given) > 18:
        return None
    return ExchangeAccount.objects.filter(pk=int(given)).first()
