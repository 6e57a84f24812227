"""All that happened to one object and to what belongs to it, as sentences, newest first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group, User
from django.db.models import Model, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from reconciliation.admin import audit_words, display
from reconciliation.admin.audit_urls import explorer_url
from reconciliation.admin.console.audit import page_links, read_cursor, require_view
from reconciliation.admin.console.pages import ConsolePage, render
from reconciliation.admin.links import link
from reconciliation.admin.objects import model_of
from reconciliation.models import ExchangeAccount, Order, Profile, Run, Trade
from reconciliation.selectors.audit_pages import (
    MOST_OBJECTS,
    conditions_of_order,
    conditions_of_trade,
    conditions_of_user,
    load_merged,
    named,
    names_of_user,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """Which events are looked for: conditions of which each has its index, and in words."""

    conditions: Sequence[Q]
    covers: str
    filter: Mapping[str, object]
    """The filter by which the explorer finds those of them that one filter can."""


@require_safe
def timeline(request: HttpRequest, word: str, pk: int) -> HttpResponse:
    """Show the timeline of an object that has a page, of a user or a group."""
    require_view(request)
    if word == "user":
        return _user_timeline(request, pk)
    model = Group if word == "group" else model_of(word)
    row = model._default_manager.filter(pk=pk).first() if model and pk < 2**63 else None
    if row is None:
        raise Http404(f"There is no {word} {pk}.")
    made = _LOADERS.get(type(row), _of_row)(row, word)
    about = display.visible(str(row)) if isinstance(row, Group) else link(row)
    return _page(request, made, title=f"{word.replace('_', ' ')} {pk}", about=about)


def _user_timeline(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the timeline of a user under every name, also after the user was deleted or renamed."""
    user = User.objects.filter(pk=pk).first() if pk < 2**63 else None
    told = names_of_user(pk)
    if user is None and not told:
        raise Http404(f"There is no user {pk}.")
    names = dict.fromkeys(([user.username] if user else []) + list(told))
    now, *before = names
    about = display.visible(now)
    if user is None:
        about += " (deleted)"
    if before:
        about += f", before {', '.join(map(display.visible, before))}"
    made = Timeline(
        conditions=conditions_of_user(pk, names),
        covers="What was done by this user, what was done to the user, and logins under the name"
        " that failed.",
        filter={"actor": now},
    )
    return _page(request, made, title=f"user {pk}", about=about)


def _page(request: HttpRequest, made: Timeline, *, title: str, about: str) -> HttpResponse:
    page = load_merged(made.conditions, read_cursor(request))
    return render(
        request,
        title=f"Timeline of {title}",
        template="admin/console/audit_timeline.html",
        trail=[("Audit", explorer_url())],
        about=about,
        covers=made.covers,
        explorer_url=explorer_url(made.filter),
        entries=[
            {
                "time": display.moment(event.occurred_at),
                "sentence": audit_words.sentence(event),
                "details": audit_words.details(event),
                "event": link(event),
                "outcome": audit_words.outcome(event),
            }
            for event in page.events
        ],
        **page_links(page, {}),
    )


def _of_row(row: Model, word: str) -> Timeline:
    return Timeline(
        conditions=[named(word, [row.pk])],
        covers=f"Every event of this {word.replace('_', ' ')}.",
        filter={"object_type": word, "object_id": row.pk},
    )


def _of_trade(row: Trade, word: str) -> Timeline:
    conditions, is_cut = conditions_of_trade(row)
    return Timeline(
        conditions=conditions,
        covers="Every event of the trade, its orders, their mismatches, the questions to people"
        f" and the decisions about it.{_cut(is_cut)}",
        filter={"object_type": word, "object_id": row.pk},
    )


def _of_order(row: Order, word: str) -> Timeline:
    conditions, is_cut = conditions_of_order(row)
    return Timeline(
        conditions=conditions,
        covers=f"Every event of the order and of its mismatches.{_cut(is_cut)}",
        filter={"object_type": word, "object_id": row.pk},
    )


def _of_profile(row: Profile, word: str) -> Timeline:
    return Timeline(
        conditions=[Q(profile_name=row.name)],
        covers="Every event that names the profile.",
        filter={"profile": row.name},
    )


def _of_account(row: ExchangeAccount, word: str) -> Timeline:
    return Timeline(
        conditions=[Q(account_name=row.name)],
        covers="Every event that names the account.",
        filter={"account": row.name},
    )


def _of_run(row: Run, word: str) -> Timeline:
    return Timeline(
        conditions=[Q(run_id=row.pk)], covers="Every event of the run.", filter={"run": row.pk}
    )


def _cut(is_cut: bool) -> str:
    if not is_cut:
        return ""
    return f" It belongs to more than {MOST_OBJECTS} objects of a kind; the newest are looked at."


_LOADERS: Mapping[type[Model], Callable[[Any, str], Timeline]] = {
    ExchangeAccount: _of_account,
    Order: _of_order,
    Profile: _of_profile,
    Run: _of_run,
    Trade: _of_trade,
}

AUDIT_TIMELINE = ConsolePage(
    name="audit_timeline",
    route="audit/timeline/<slug:word>/<int:pk>/",
    view=timeline,
    title="Timeline",
    answers="all that happened to one object",
)
