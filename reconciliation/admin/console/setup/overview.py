"""How far the set-up is: the steps, what is done, and what comes next."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join

from reconciliation.admin import display
from reconciliation.admin.console.pages import render
from reconciliation.admin.console.setup.acts import may_set_up
from reconciliation.admin.deciding_types import now
from reconciliation.admin.links import anchor, changelist_url
from reconciliation.admin.page import Notice, Section, Table, strong
from reconciliation.enums import ErrandStatus, Right
from reconciliation.models import ExchangeAccount
from reconciliation.selectors.people import load_who_may
from reconciliation.selectors.set_up import AccountSetUp, count_people, load_set_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: what it is for, whether it is done, where it is done."""

    words: str
    is_done: bool
    says: str
    url: str
    optional: bool = False


def overview_page(request: HttpRequest) -> HttpResponse:
    """Show how far the set-up is."""
    may = may_set_up(request)
    accounts = load_set_up(now())
    steps = _steps(accounts, may)
    following = next((step for step in steps if not step.is_done and not step.optional), None)
    sections: list[Section] = [_next(following), _table(steps, following), _accounts(accounts)]
    offers = [
        ("Add an exchange account", reverse("admin:console_setup_account_add")),
        ("Let somebody in", reverse("admin:console_setup_person_add")),
    ]
    return render(
        request,
        title="Set-up",
        template="admin/console/setup/page.html",
        sections=sections,
        offers=offers if may else [],
        who_may=None if may else load_who_may(Right.SET_UP),
    )


def _steps(accounts: tuple[AccountSetUp, ...], may: bool) -> list[Step]:
    # Who may only look is led to what there is.
    add = reverse("admin:console_setup_account_add") if may else changelist_url(ExchangeAccount)
    enabled = [each for each in accounts if each.account.enabled]
    people = count_people()

    def lacking(of: list[AccountSetUp]) -> str:
        return reverse("admin:console_setup_account", args=[of[0].account.pk]) if of else add

    untested = [each for each in enabled if not each.is_tested]
    without = [each for each in enabled if each.account.baseline_at is None]
    empty = [each for each in enabled if not each.profiles]
    keyless = [each for each in enabled if not each.keys]
    unread = [each for each in enabled if not each.is_reconciled]
    some = bool(enabled)
    return [
        Step(
            words="Add an exchange account",
            is_done=some,
            says=f"{len(enabled)} enabled" if some else "none is enabled: nothing is reconciled",
            url=add,
        ),
        Step(
            words="Test its connection",
            is_done=some and not untested,
            says=_names(untested, "not tested, or not passed") if some else "no account yet",
            url=lacking(untested or enabled),
        ),
        Step(
            words="Set its baseline",
            is_done=some and not without,
            says=_names(without, "no baseline: everything it held counts")
            if some
            else "no account yet",
            url=lacking(without or enabled),
            optional=True,
        ),
        Step(
            words="Add the profiles that trade on it",
            is_done=some and not empty,
            says=_names(empty, "no profile: every order belongs to nobody")
            if some
            else "no account yet",
            url=lacking(empty or enabled),
        ),
        Step(
            words="Create the keys of its bots",
            is_done=some and not keyless,
            says=_names(keyless, "no key: no bot can deliver") if some else "no account yet",
            url=lacking(keyless or enabled),
        ),
        Step(
            words="Let the people in",
            is_done=people > 0,
            says=f"{people} beside superusers" if people else "nobody beside superusers",
            url=reverse("admin:console_setup_people"),
        ),
        Step(
            words="See the first complete reconciliation",
            is_done=some and not unread,
            says=_names(unread, "no complete run yet") if some else "no account yet",
            url=reverse("admin:reconciliation_run_changelist"),
        ),
    ]


def _names(lacking: list[AccountSetUp], fault: str) -> str:
    if not lacking:
        return "all enabled accounts"
    return f"{', '.join(each.account.name for each in lacking)}: {fault}"


def _next(step: Step | None) -> Notice:
    if step is None:
        return Notice(level="success", sentence="The set-up is complete.")
    return Notice(level="warning", sentence=f"Next: {step.words.lower()}.")


def _table(steps: list[Step], following: Step | None) -> Table:
    rows = []
    for number, step in enumerate(steps, start=1):
        state = "✓ done" if step.is_done else "○ optional" if step.optional else "○ to do"
        rows.append(
            [
                str(number),
                anchor(step.url, step.words),
                strong("→ next") if step is following else state,
                display.text(step.says),
            ]
        )
    links = [
        (anchor(reverse("admin:console_setup_people"), "People and groups"),),
        (anchor(reverse("admin:console_setup_settings"), "Settings in force"),),
    ]
    return Table(
        title="Steps",
        headings=["", "Step", "State", "As it is"],
        rows=rows,
        foreign=True,
        more=format_html_join(" · ", "{}", links),
    )


def _accounts(accounts: tuple[AccountSetUp, ...]) -> Table:
    tests = {ErrandStatus.DONE: "passed", ErrandStatus.FAILED: "failed", None: "never"}
    return Table(
        title="Accounts",
        headings=["Account", "Exchange", "Enabled", "Test", "Baseline", "Profiles", "Keys"],
        rows=[
            [
                anchor(
                    reverse("admin:console_setup_account", args=[each.account.pk]),
                    display.text(each.account.name),
                ),
                display.text(each.account.exchange_id),
                display.yes_no(each.account.enabled),
                tests.get(each.test, "under way"),
                display.moment(each.account.baseline_at),
                str(each.profiles),
                str(each.keys),
            ]
            for each in accounts
        ],
        empty="No exchange account is set up yet, so nothing is reconciled.",
    )
