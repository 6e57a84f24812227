"""Ask for evidence to be read anew, and follow it: a worker reads; no page talks to an exchange."""

from datetime import datetime, timedelta

from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.deciding_types import Desk, Told
from reconciliation.admin.errands import queue, verdict
from reconciliation.admin.links import link
from reconciliation.admin.page import Notice
from reconciliation.enums import ENDED_ERRAND_STATUSES, DecisionRefusal, ErrandKind, RunKind
from reconciliation.handlers.errands import SILENT_FOR, ask_errand
from reconciliation.models import Errand, ExchangeAccount

KINDS = {RunKind.RECONCILE: ErrandKind.RECONCILE, RunKind.HEARTBEAT: ErrandKind.HEARTBEAT}
_TOLD_FOR = timedelta(minutes=15)
"""For how long the page of an item tells what its last errand came to."""


def refresh(account: ExchangeAccount, job: RunKind, desk: Desk) -> Told:
    """Ask for the job that sees some evidence, if the person may."""
    asked = ask_errand(
        kind=KINDS[job], account=account, person=desk.person, conf=desk.conf, clock=desk.clock
    )
    if asked.errand is None:
        return Told(code=DecisionRefusal.DENIED, sentence=asked.said)
    queue(asked)
    return Told(sentence=asked.said, stays=True)


def last_errand(account: ExchangeAccount, job: RunKind, moment: datetime) -> Errand | None:
    """Return the last time that somebody asked for the job, unless that is long ago."""
    rows = Errand.objects.select_related("run").filter(account=account, kind=KINDS[job])
    found = rows.order_by("-pk").first()
    return found if found is not None and moment - found.asked_at < _TOLD_FOR else None


def is_followed(errand: Errand | None, moment: datetime) -> bool:
    """Return whether the page loads itself again until the errand has ended."""
    return (
        errand is not None
        and errand.status not in ENDED_ERRAND_STATUSES
        and moment - (errand.seen_at or errand.asked_at) <= SILENT_FOR
    )


def errand_notice(errand: Errand, seen_at: datetime, moment: datetime) -> Notice:
    """Return how far it is, or what it came to, and how old the evidence is now."""
    came = verdict(errand, moment)
    run = format_html(" ({})", link(errand.run)) if errand.run is not None else ""
    sentence = format_html(
        "{} asked for the evidence {}: {}{} The evidence is now {} old.",
        display.text(errand.asked_by),
        display.ago(moment - errand.asked_at),
        came.sentence if came.sentence.endswith(".") else f"{came.sentence}.",
        run,
        display.span(max((moment - seen_at).total_seconds(), 0)),
    )
    return Notice(level=came.level, sentence=sentence)
