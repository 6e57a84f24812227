"""People: who is let in, in which groups; and what each group may do, in words."""

from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.contrib.auth.models import Group, User
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.html import format_html_join

from reconciliation.admin import display
from reconciliation.admin.console.pages import render
from reconciliation.admin.console.setup.acts import (
    Act,
    ReasonForm,
    answer,
    by,
    go,
    may_set_up,
    name_of,
    overview,
    people_page,
)
from reconciliation.admin.deciding_types import Desk
from reconciliation.admin.links import anchor
from reconciliation.admin.page import Section, Table
from reconciliation.enums import RIGHTS_OF_ROLES, Right
from reconciliation.handlers.users import (
    UserOutcome,
    activate_user,
    change_groups,
    create_user,
    deactivate_user,
    set_password,
)
from reconciliation.selectors.people import load_who_may

MOST_ROWS = 500


class PasswordField(forms.CharField):
    """A password that is never sent back to a page."""

    def __init__(self, label: str, **options: Any) -> None:
        widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"})
        super().__init__(label=label, strip=False, max_length=256, widget=widget, **options)


class PasswordForm(forms.Form):
    """A password, twice."""

    password = PasswordField(
        "Password",
        help_text="At least 12 characters, not a common one, not the name. Tell it to the person on"
        " another way than this page; it is changed under “Change password”.",
    )
    again = PasswordField("The same once more")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if {"password", "again"} <= set(values) and values["password"] != values["again"]:
            self.add_error("again", "The two are not the same.")
        return values


class GroupsForm(forms.Form):
    """The groups of a user."""

    groups = forms.MultipleChoiceField(
        label="Groups",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="What each may do stands above. Without a group a user sees nothing.",
    )

    def __init__(
        self, data: QueryDict | None = None, *, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, label_suffix="", initial=initial)
        names = Group.objects.order_by("name").values_list("name", flat=True)
        self.fields["groups"].choices = [(name, name) for name in names]  # type: ignore[attr-defined]


class UserForm(GroupsForm, PasswordForm):
    """A new user."""

    name = forms.CharField(
        label="Name to log in with",
        max_length=150,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text="Letters, digits and @ . + - _; it stands in the audit trail.",
    )
    field_order = ("name", "groups", "password", "again")


def people(request: HttpRequest) -> HttpResponse:
    """List the people."""
    may = may_set_up(request)
    return render(
        request,
        title="People",
        template="admin/console/setup/page.html",
        trail=[overview()],
        sections=list(_sections(may=may)),
        offers=[("Let somebody in", reverse("admin:console_setup_person_add"))] if may else [],
        who_may=None if may else load_who_may(Right.SET_UP),
    )


def add_person(request: HttpRequest) -> HttpResponse:
    """Let somebody in."""
    act = Act(
        title="Let somebody in",
        asked="let somebody in",
        word="Create the user",
        back=people_page(),
        lines=[
            "The user can log in at once. That the user was made, and the groups, are audit events."
        ],
        sections=[_table_of_groups()],
    )
    form = UserForm(request.POST if request.method == "POST" else None)

    def work(desk: Desk, sent: forms.Form) -> UserOutcome:
        values = sent.cleaned_data
        return create_user(
            name=values["name"],
            groups=values["groups"],
            password=values["password"],
            **by(desk),
        )

    return answer(request, act, form, work, done=_told(request))


def change_person(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Change a user's groups, give him another password, let him in no more, or again."""
    acts = {
        "groups": _groups,
        "password": _password,
        "deactivate": _deactivate,
        "activate": _activate,
    }
    if verb not in acts or pk >= 2**31:
        raise Http404(f"The set-up of a user has no {verb}.")
    return acts[verb](request, get_object_or_404(User, pk=pk))


def _groups(request: HttpRequest, user: User) -> HttpResponse:
    held = list(user.groups.order_by("name").values_list("name", flat=True))
    act = _act(
        user,
        "Groups of",
        "change the groups of a user",
        "Change the groups",
        [
            f"{name_of(user)} is in {', '.join(held) or 'no group'} now. The rights of the"
            " new groups hold from the next request on; decisions already taken stay."
        ],
        sections=[_table_of_groups()],
    )
    data = request.POST if request.method == "POST" else None
    form = GroupsForm(data, initial={"groups": held})

    def work(desk: Desk, sent: forms.Form) -> UserOutcome:
        return change_groups(user_id=user.pk, groups=sent.cleaned_data["groups"], **by(desk))

    return answer(request, act, form, work, done=_told(request))


def _password(request: HttpRequest, user: User) -> HttpResponse:
    lines = [f"The password of {name_of(user)} is replaced, and every session of the user ends."]
    act = _act(user, "Password of", "set a user's password", "Set the password", lines)
    form = PasswordForm(request.POST if request.method == "POST" else None, label_suffix="")

    def work(desk: Desk, sent: forms.Form) -> UserOutcome:
        return set_password(user_id=user.pk, password=sent.cleaned_data["password"], **by(desk))

    return answer(request, act, form, work, done=_told(request))


def _deactivate(request: HttpRequest, user: User) -> HttpResponse:
    lines = [
        f"{name_of(user)} is let in no more, from the next request on. What was proposed can still"
        " be approved by others; what was done stays in the trail under this name.",
    ]
    act = _act(user, "Deactivate", "deactivate a user", "Deactivate the user", lines, destroys=True)
    return _switch(request, user, act, deactivate_user)


def _activate(request: HttpRequest, user: User) -> HttpResponse:
    lines = [f"{name_of(user)} can log in again, with the password and the groups of before."]
    act = _act(user, "Activate", "activate a user", "Activate the user", lines)
    return _switch(request, user, act, activate_user)


def _switch(
    request: HttpRequest, user: User, act: Act, handler: Callable[..., UserOutcome]
) -> HttpResponse:
    form = ReasonForm(request.POST if request.method == "POST" else None, label_suffix="")

    def work(desk: Desk, sent: forms.Form) -> UserOutcome:
        return handler(user_id=user.pk, comment=sent.cleaned_data["comment"], **by(desk))

    return answer(request, act, form, work, done=_told(request))


def _act(user: User, before: str, asked: str, word: str, lines: list[str], **more: Any) -> Act:
    title = f"{before} {name_of(user)}"
    return Act(title=title, asked=asked, word=word, back=people_page(), lines=lines, **more)


def _told(request: HttpRequest) -> Callable[[UserOutcome], HttpResponse]:
    def done(outcome: UserOutcome) -> HttpResponse:
        return go(request, people_page()[1], outcome.said, changed=outcome.changed)

    return done


def _sections(*, may: bool) -> Iterator[Section]:
    rows = User.objects.prefetch_related("groups").order_by("username")[: MOST_ROWS + 1]
    users = list(rows)
    note = f"The first {MOST_ROWS} are shown; there are more." if len(users) > MOST_ROWS else ""
    yield Table(
        title="People",
        headings=["Name", "Groups", "Superuser", "Let in", "Last login", "Change"],
        rows=[
            [
                name_of(user),
                display.text(", ".join(sorted(group.name for group in user.groups.all()))),
                display.yes_no(user.is_superuser),
                display.yes_no(user.is_active and user.is_staff),
                display.moment(user.last_login),
                _links(user) if may else display.NOTHING,
            ]
            for user in users[:MOST_ROWS]
        ],
        note=note,
    )
    yield _table_of_groups()


def _links(user: User) -> str:
    verbs = ("groups", "password", "deactivate" if user.is_active else "activate")
    links = [
        (anchor(reverse("admin:console_setup_person", args=[user.pk, verb]), verb),)
        for verb in verbs
    ]
    return format_html_join(", ", "{}", links)


def _table_of_groups() -> Table:
    rows = [
        [role.value, "; ".join(["look at everything", *sorted(_may(right) for right in rights)])]
        for role, rights in RIGHTS_OF_ROLES.items()
    ]
    rows.append(["(superuser)", "everything, the set-up as well"])
    return Table(
        title="What each group may do",
        headings=["Group", "Its members may"],
        rows=rows,
        foreign=True,
    )


def _may(right: Right) -> str:
    return right.label.removeprefix("Can ")
