"""What every form of the set-up shares: who may, what is shown first, what comes of a refusal."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.text import capfirst

from reconciliation.admin import display
from reconciliation.admin.busy import busy_profiles, free_again
from reconciliation.admin.console.pages import render
from reconciliation.admin.deciding_types import Desk, Viewer
from reconciliation.admin.page import Section
from reconciliation.enums import Right, SetUpRefusal
from reconciliation.handlers.accounts import AlreadyExists, InvalidValue
from reconciliation.handlers.leases import LockHeld
from reconciliation.handlers.set_up import SetUp, record_denied
from reconciliation.handlers.users import UserOutcome
from reconciliation.models import ExchangeAccount
from reconciliation.selectors.people import load_who_may

Trail = Sequence[tuple[str, str]]
FORM = "admin/console/setup/form.html"


class ReasonField(forms.CharField):
    """Why, for the audit trail."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            label="Reason",
            max_length=500,
            widget=forms.Textarea(attrs={"rows": 3}),
            error_messages={"required": "Say why: it is kept in the audit trail."},
            **options,
        )


class ReasonForm(forms.Form):
    """A word for the audit trail, and nothing else."""

    comment = ReasonField()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One form: what it is called, what its button says, what will be written or will stop.

    `asked` ends the sentence "he may not …". `back` are the words and the address of the page that
    it came from. With `destroys` its button looks like one that takes something away.
    """

    title: str
    asked: str
    word: str
    back: tuple[str, str]
    lines: Sequence[str] = ()
    sections: Iterable[Section] = ()
    account: ExchangeAccount | None = None
    destroys: bool = False

    @property
    def trail(self) -> Trail:
        """Return the breadcrumbs."""
        home = ("Set-up", reverse("admin:console_setup"))
        return [home] if self.back[1] == home[1] else [home, self.back]


Work = Callable[[Desk, forms.Form], SetUp[Any] | UserOutcome]


def may_set_up(request: HttpRequest) -> bool:
    """Return whether to offer the forms to whoever looks."""
    return Viewer.of(request).may(Right.SET_UP)


def enter(request: HttpRequest, act: Act) -> HttpResponse | None:
    """Return the refusal of whoever may not, which is recorded where he tried; None: he may."""
    if may_set_up(request):
        return None
    said = f"You may not {act.asked}"
    if request.method == "POST":
        desk = Desk.of(request)
        record_denied(
            asked=act.asked,
            account="" if act.account is None else act.account.name,
            person=desk.person,
            clock=desk.clock,
            conf=desk.conf,
        )
    return denied(request, act, said)


def denied(request: HttpRequest, act: Act, said: str) -> HttpResponse:
    """Return the page that says who may."""
    return render(
        request,
        title="Not allowed",
        template="admin/console/setup/denied.html",
        trail=act.trail,
        status=403,
        said=capfirst(display.text(said)),
        people=load_who_may(Right.SET_UP),
        back=act.back,
    )


def ask(
    request: HttpRequest,
    act: Act,
    form: forms.Form,
    *,
    status: int = 200,
    busy: Section | None = None,
    **context: Any,
) -> HttpResponse:
    """Return a form, with what it will do above its button, and first who is in its way."""
    return render(
        request,
        title=act.title,
        template=FORM,
        trail=act.trail,
        sections=[*([] if busy is None else [busy]), *act.sections],
        status=status,
        act=act,
        form=form,
        **context,
    )


def answer(
    request: HttpRequest,
    act: Act,
    form: forms.Form,
    work: Work,
    *,
    done: Callable[[Any], HttpResponse],
    taken_field: str = "name",
) -> HttpResponse:
    """Show a form; when it is sent, do the work, and put what is wrong at its field.

    `done` is called with what the work came to, only where it was done.
    """
    refused = enter(request, act)
    if refused is not None:
        return refused
    if request.method != "POST" or not form.is_valid():
        return ask(request, act, form)
    try:
        outcome = work(desk := Desk.of(request), form)
    except LockHeld as error:
        busy = busy_profiles(error.profile_ids, clock=desk.clock) or free_again()
        return busy.mark(ask(request, act, form, busy=busy.notice()))
    except AlreadyExists as error:
        form.add_error(taken_field, capfirst(str(error)))
    except InvalidValue as error:
        field = error.field if error.field in form.fields else None
        form.add_error(field, capfirst(error.fault))
    else:
        if outcome.refusal == SetUpRefusal.DENIED:
            return denied(request, act, outcome.said)
        if outcome.refusal is None:
            return done(outcome)
        form.add_error(None, capfirst(outcome.said))
    return ask(request, act, form)


def go(request: HttpRequest, url: str, said: str, *, changed: bool = True) -> HttpResponse:
    """Lead to a page that says what was done, or that there was nothing to do."""
    level = messages.SUCCESS if changed else messages.WARNING
    messages.add_message(request, level, capfirst(display.text(said)))
    return HttpResponseRedirect(url)


def by(desk: Desk) -> dict[str, Any]:
    """Return what every handler of the set-up takes."""
    return {"person": desk.person, "clock": desk.clock, "conf": desk.conf}


def overview() -> tuple[str, str]:
    """Return words and address of the page that all others come from."""
    return "Set-up", reverse("admin:console_setup")


def account_page(account: ExchangeAccount) -> tuple[str, str]:
    """Return words and address of an account's page of the set-up."""
    return display.text(account.name), reverse("admin:console_setup_account", args=[account.pk])


def people_page() -> tuple[str, str]:
    """Return words and address of the page of the people."""
    return "People", reverse("admin:console_setup_people")


def name_of(user: User) -> str:
    """Return a user's name as it may be shown."""
    return display.text(user.get_username())
