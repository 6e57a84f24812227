"""Profiles: added to an account, given another capital, disabled and enabled."""

from decimal import Decimal

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from reconciliation.admin import display
from reconciliation.admin.console.setup.accounts import find_account
from reconciliation.admin.console.setup.acts import (
    Act,
    ReasonField,
    ReasonForm,
    account_page,
    answer,
    by,
    go,
)
from reconciliation.admin.deciding_forms import AmountField
from reconciliation.admin.deciding_types import Desk
from reconciliation.domain.amounts import plain
from reconciliation.enums import HOLDING_TRADE_STATUSES
from reconciliation.handlers.accounts import InvalidValue, create_profile
from reconciliation.handlers.profiles import CapitalChanged, change_capital, set_profile_enabled
from reconciliation.handlers.set_up import SetUp, set_up
from reconciliation.models import Profile, Trade

COUNTED_TO = 1000


class NeededAmountField(AmountField):
    """An exact number that has to be given."""

    def clean(self, value: object) -> Decimal:
        amount = super().clean(value)
        if amount is None:
            raise forms.ValidationError("Give the amount, for example 100000.")
        return amount


class ProfileForm(forms.Form):
    """A profile's name, the tag that its orders carry, and what it may use."""

    name = forms.CharField(
        label="Name", max_length=64, help_text="Letters, digits, - and _; for example alpha."
    )
    sub_tag = forms.CharField(
        label="Sub tag",
        max_length=64,
        strip=False,
        help_text="By which the exchange's orders are this profile's, for example alpha01. No other"
        " profile of the account has it.",
    )
    allocated_capital_usd = NeededAmountField(
        label="Allocated capital (USD)",
        help_text="What the profile may use; the watchdog measures its differences by it.",
    )


class CapitalForm(forms.Form):
    """Another capital, and why; `seen` is what it was when the page was made."""

    amount = NeededAmountField(label="Allocated capital (USD)")
    comment = ReasonField()
    seen = AmountField()
    seen.widget = forms.HiddenInput()


def add_profile(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a profile to an account."""
    account = find_account(pk)
    act = Act(
        title=f"Add a profile to {display.text(account.name)}",
        asked="add a profile",
        word="Add the profile",
        back=account_page(account),
        lines=[
            "The profile is written with its lock and an audit event, and enabled: from the next"
            " run on, what carries its tag is its own. Its ledger begins with that run.",
        ],
        account=account,
    )
    form = ProfileForm(request.POST if request.method == "POST" else None, label_suffix="")

    def work(desk: Desk, sent: forms.Form) -> SetUp[Profile]:
        return set_up(
            create_profile,
            asked=act.asked,
            account=account.name,
            account_id=account.pk,
            **sent.cleaned_data,
            **by(desk),
        )

    def done(outcome: SetUp[Profile]) -> HttpResponse:
        return go(request, act.back[1], f"{outcome.value().name} is added to {account.name}")

    taken = "sub_tag" if _name_is_free(form) else "name"
    return answer(request, act, form, work, done=done, taken_field=taken)


def change_profile(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Give a profile another capital, or enable or disable it."""
    if verb not in ("capital", "enable", "disable"):
        raise Http404(f"The set-up of a profile has no {verb}.")
    profile = None
    if pk < 2**63:
        profile = get_object_or_404(Profile.objects.select_related("account"), pk=pk)
    if profile is None:
        raise Http404(f"There is no profile {pk}.")
    return _capital(request, profile) if verb == "capital" else _switch(request, profile, verb)


def _capital(request: HttpRequest, profile: Profile) -> HttpResponse:
    name, now = display.text(profile.name), plain(profile.allocated_capital_usd)
    act = Act(
        title=f"Capital of {name}",
        asked="change the capital of a profile",
        word="Change the capital",
        back=account_page(profile.account),
        lines=[
            f"{now} USD are allocated to {name} now.",
            "The change is written with an audit event and a row of the capital ledger. The"
            " watchdog measures the profile's differences by the new amount from its next run on."
            " No order is touched.",
        ],
        account=profile.account,
    )
    data = request.POST if request.method == "POST" else None
    form = CapitalForm(data, label_suffix="", initial={"seen": now, "amount": now})

    def work(desk: Desk, sent: forms.Form) -> SetUp[bool]:
        values = sent.cleaned_data
        try:
            return set_up(
                change_capital,
                asked=act.asked,
                account=profile.account.name,
                profile_id=profile.pk,
                amount=values["amount"],
                seen=values["seen"] if values["seen"] is not None else Decimal(-1),
                comment=values["comment"],
                **by(desk),
            )
        except CapitalChanged as error:
            fault = f"somebody changed it to {plain(error.now)} USD meanwhile; load the page again"
            raise InvalidValue("amount", fault) from error

    def done(outcome: SetUp[bool]) -> HttpResponse:
        changed = outcome.value()
        amount = plain(form.cleaned_data["amount"])
        word = "are allocated" if changed else "were allocated already"
        return go(request, act.back[1], f"{name}: {amount} USD {word}", changed=changed)

    return answer(request, act, form, work, done=done)


def _switch(request: HttpRequest, profile: Profile, verb: str) -> HttpResponse:
    enabled, name = verb == "enable", display.text(profile.name)
    held = Trade.objects.filter(profile=profile, status__in=sorted(HOLDING_TRADE_STATUSES))
    count = held.order_by()[: COUNTED_TO + 1].count()
    open_trades = f"more than {COUNTED_TO}" if count > COUNTED_TO else str(count)
    lines = (
        [f"{name} is reconciled again from the next run on."]
        if enabled
        else [
            f"{name} is reconciled no more from the next run on: its orders and its {open_trades}"
            " open slices stay as the books have them, whatever happens at the exchange.",
            "Its bot is told at the gate to open nothing new. What carries its tag stays its own:"
            " no other profile gets it. Nothing is deleted, and no order is touched.",
            "To stop trading for a while, pause the profile instead: it is then still reconciled.",
        ]
    )
    act = Act(
        title=f"{verb.capitalize()} {name}",
        asked=f"{verb} a profile",
        word=f"{verb.capitalize()} the profile",
        back=account_page(profile.account),
        lines=lines,
        account=profile.account,
        destroys=not enabled,
    )
    form = ReasonForm(request.POST if request.method == "POST" else None, label_suffix="")

    def work(desk: Desk, sent: forms.Form) -> SetUp[bool]:
        return set_up(
            set_profile_enabled,
            asked=act.asked,
            account=profile.account.name,
            profile_id=profile.pk,
            enabled=enabled,
            comment=sent.cleaned_data["comment"],
            **by(desk),
        )

    def done(outcome: SetUp[bool]) -> HttpResponse:
        changed = outcome.value()
        said = f"{name} is {verb}d{'' if changed else ' already'}"
        return go(request, act.back[1], said, changed=changed)

    return answer(request, act, form, work, done=done)


def _name_is_free(form: forms.Form) -> bool:
    return not Profile.objects.filter(name=form.data.get("name", "")[:64]).exists()
