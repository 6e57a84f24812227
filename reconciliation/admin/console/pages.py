"""What a page of the console is: an address, a view, a place in the navigation, a key."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse

from reconciliation.admin.page import Section, gathered

View = Callable[..., HttpResponseBase]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePage:
    """A page at `admin/<route>`, named `admin:<name>`; whoever is logged in as staff may look.

    With `nav` it stands in the navigation, in the order of the list; `key` then leads there when it
    is pressed after `g`. `answers` is what it is for, in the `?` overlay and as its tooltip.
    """

    name: str
    route: str
    view: View
    title: str
    answers: str
    nav: bool = False
    key: str = ""
    beside: Sequence[str] = ()
    """The names of lists whose pages belong to this place of the navigation too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NavItem:
    """A link of the navigation."""

    title: str
    url: str
    key: str
    answers: str
    current: bool


def page_urls(pages: Iterable[ConsolePage], wrap: Callable[[View], View]) -> list[URLPattern]:
    """Return the addresses of pages, each behind the site's own check of who asks."""
    return [path(page.route, wrap(page.view), name=page.name) for page in pages]


def nav_items(pages: Iterable[ConsolePage], request: HttpRequest) -> list[NavItem]:
    """Return the navigation as the page that is asked for shows it."""
    items = []
    for page in pages:
        if not page.nav:
            continue
        try:
            url = reverse(f"admin:{page.name}")
        except NoReverseMatch as error:
            raise RuntimeError(f"{page.name} is in the navigation and needs arguments") from error
        items.append(
            NavItem(
                title=page.title,
                url=url,
                key=page.key,
                answers=page.answers,
                # A page that another leads to (one run, one profile) lights up where it belongs.
                current=request.path == url
                or (url != reverse("admin:index") and request.path.startswith(url))
                or any(request.path.startswith(reverse(f"admin:{name}")) for name in page.beside),
            )
        )
    return items


def render(
    request: HttpRequest,
    *,
    title: str,
    sections: Iterable[Section] = (),
    template: str = "admin/console/page.html",
    trail: Sequence[tuple[str, str]] = (),
    refresh_seconds: int = 0,
    status: int = 200,
    **context: Any,
) -> TemplateResponse:
    """Return a page of the console.

    `trail` are the breadcrumbs between Home and this page, as (words, address). With
    `refresh_seconds` the page quietly loads its own content again while it can be seen.
    """
    return TemplateResponse(
        request,
        template,
        {
            **admin.site.each_context(request),
            "title": title,
            "trail": trail,
            "sections": gathered(sections),
            "refresh_seconds": refresh_seconds,
            **context,
        },
        status=status,
    )
