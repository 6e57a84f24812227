"""Every kind of page that a person can reach by following links, one address of each."""

import re
from collections import deque
from collections.abc import Iterable
from html import unescape
from urllib.parse import parse_qs, urljoin, urlsplit

from django.test import Client
from django.urls import Resolver404, resolve

_HREF = re.compile(r'<a\s[^>]*href="([^"#]*)"')
# What a page remembers of the list that led to it.
_WAY_BACK = {"_changelist_filters", "_popup", "_to_field"}
_NUMBER = re.compile(r"\d+")


def reachable(client: Client, starts: Iterable[str]) -> list[str]:
    """Return one address of each kind of page that links lead to, in the order of finding them.

    Two addresses are of one kind when the same view answers and only numbers differ, and both or
    neither are narrowed by a query.
    """
    found: dict[tuple[object, ...], str] = {}
    waiting = deque(starts)
    while waiting:
        address = waiting.popleft()
        kind = _kind(address)
        if kind is None or kind in found:
            continue
        answer = client.get(address)
        is_page = str(answer.get("Content-Type", "")).startswith("text/html")
        if answer.status_code in (301, 302):
            waiting.append(urljoin(address, answer["Location"]))
            continue
        assert answer.status_code == 200, f"{address} answered {answer.status_code}"
        if not is_page or answer.streaming:
            continue
        found[kind] = address
        for href in _HREF.findall(answer.content.decode()):
            target = urljoin(address, unescape(href))
            if not urlsplit(target).netloc:
                waiting.append(target)
    return list(found.values())


def _kind(address: str) -> tuple[object, ...] | None:
    parts = urlsplit(address)
    if not parts.path.startswith("/admin/") or parts.path.startswith("/admin/logout"):
        return None
    try:
        match = resolve(parts.path)
    except Resolver404:
        # Let the crawl ask for it: the answer says that the link leads nowhere.
        return (parts.path,)
    words = tuple(_NUMBER.sub("#", str(value)) for value in (*match.args, *match.kwargs.values()))
    narrowed = set(parse_qs(parts.query)) - _WAY_BACK
    return (match.view_name, words, bool(narrowed))
