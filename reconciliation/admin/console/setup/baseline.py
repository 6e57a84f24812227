"""Accept what an account held before a moment as found: what that is, and that it is for good."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils.dateparse import parse_datetime

from reconciliation.admin import display
from reconciliation.admin.console.setup.accounts import find_account
from reconciliation.admin.console.setup.acts import (
    Act,
    ReasonField,
    account_page,
    answer,
    by,
    go,
)
from reconciliation.admin.deciding_types import Desk, now
from reconciliation.admin.links import anchor, changelist_url
from reconciliation.admin.page import Table
from reconciliation.enums import ExternalStatus, MismatchKind
from reconciliation.handlers.accounts import moment_text, set_baseline
from reconciliation.handlers.set_up import SetUp, set_up
from reconciliation.models import ExchangeAccount, ExternalOrder, Mismatch
from reconciliation.selectors.found import COUNTED_TO, load_found

_KINDS = {
    MismatchKind.MISSING_IN_DB: "Orders at the exchange that are not in the books",
    MismatchKind.UNATTRIBUTED_FILL: "Fills that no profile owns",
    MismatchKind.ORPHAN_POSITION: "Positions that no profile owns",
}


class MomentField(forms.CharField):
    """A moment in UTC, or with a zone of its own; empty is now."""

    def clean(self, value: Any) -> datetime | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            parsed = parse_datetime(text.removesuffix(" UTC"))
        except ValueError:
            parsed = None
        if parsed is None:
            raise forms.ValidationError("That is no moment; write it like 2026-01-05 12:00.")
        return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)


class BaselineForm(forms.Form):
    """From when on the account counts, and why."""

    at = MomentField(
        label="Moment (UTC)",
        required=False,
        max_length=40,
        help_text="For example 2026-01-05 12:00. Empty: the moment at which the button is pressed.",
    )
    comment = ReasonField()


def baseline(request: HttpRequest, pk: int) -> HttpResponse:
    """Set an account's baseline."""
    account = find_account(pk)
    form = BaselineForm(request.POST if request.method == "POST" else None, label_suffix="")
    before = account.baseline_at
    lines = [
        "Orders placed and fills executed before the moment, that no profile owns, are taken as"
        " found: they are shown to nobody again and asked about no more. What happens later is.",
        "A baseline only moves on; it is never taken back. Orders and slices of profiles are"
        " compared as before. Nothing is touched at the exchange.",
        f"The baseline is {moment_text(before)} now." if before else "There is no baseline yet.",
    ]
    act = Act(
        title=f"Baseline of {display.text(account.name)}",
        asked="set a baseline",
        word="Accept it as found",
        back=account_page(account),
        lines=lines,
        sections=[_found(account)],
        account=account,
        destroys=True,
    )

    def work(desk: Desk, sent: forms.Form) -> SetUp[ExchangeAccount]:
        return set_up(
            set_baseline,
            asked=act.asked,
            account=account.name,
            account_id=account.pk,
            at=sent.cleaned_data["at"] or now(),
            comment=sent.cleaned_data["comment"],
            **by(desk),
        )

    def done(outcome: SetUp[ExchangeAccount]) -> HttpResponse:
        at = outcome.value().baseline_at
        moment = "then" if at is None else moment_text(at)
        said = f"{account.name}: what is from before {moment} is accepted as found"
        return go(request, act.back[1], said)

    return answer(request, act, form, work, done=done)


def _found(account: ExchangeAccount) -> Table:
    found = load_found(account.pk)
    here = {"account__id__exact": account.pk}
    pending = here | {"status__exact": ExternalStatus.PENDING.value}
    rows = [
        [
            "Open orders that wait to be adopted or ignored",
            _counted(found.external_orders),
            "the orders placed before the moment",
            anchor(changelist_url(ExternalOrder, pending), "list"),
        ]
    ]
    rows += [
        [
            _KINDS[kind],
            _counted(count),
            "stays" if kind == MismatchKind.ORPHAN_POSITION else "what is from before the moment",
            anchor(changelist_url(Mismatch, here | {"kind__exact": kind.value}), "list"),
        ]
        for kind, count in found.mismatches
    ]
    return Table(
        title="What belongs to nobody now",
        headings=["What", "How many", "Accepted as found", "Which"],
        rows=rows,
        note="As the latest reconciliation saw it; before the first one nothing is known."
        " A position is no order: it is adopted or ignored by a person.",
    )


def _counted(count: int | None) -> str:
    if count is None:
        return "not known yet"
    return f"more than {COUNTED_TO}" if count > COUNTED_TO else str(count)
