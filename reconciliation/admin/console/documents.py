"""The documents beside the code, as pages: Markdown made HTML, of which none comes from outside."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

RUNBOOKS = ("reconciliation", "lifecycle-incident")
# What runbooks lead to; each is a page at runbooks/<name>/ too.
OTHERS = (
    "operations",
    "monitoring",
    "parity",
    "backfill",
    "decisions",
    "decisions-nobodys",
    "decision-table",
    "client-order-ids",
    "exchanges",
    "api",
    "demo",
    "console",
    "simulation",
    "production",
    "audit",
    "audit-events",
    "compliance",
)
_NO_WORD = re.compile(r"[^\w\- ]")
_DOCUMENT = re.compile(r"^(?:\.\./)?(?:runbooks/)?(?P<name>[a-z-]+)\.md(?P<anchor>#.*)?$")


_SERVED = re.compile(r"^(/|#|https?://)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A section: its heading, how deep it lies, and the name by which it is linked."""

    level: int
    words: str
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document made HTML. `links` are all addresses in it, as the page has them."""

    name: str
    title: str
    html: SafeString
    headings: Sequence[Heading]
    links: Sequence[str]


def source(name: str) -> Path:
    """Return the file of a document; raises KeyError for a name that is none."""
    docs = Path(settings.BASE_DIR) / "docs"
    if name in RUNBOOKS:
        return docs / "runbooks" / f"{name}.md"
    if name in OTHERS:
        return docs / f"{name}.md"
    raise KeyError(name)


def load_document(name: str) -> Document:
    """Return a document by its name; it is read anew when its file has changed.

    Raises KeyError for a name that is none, and OSError where its file is gone.
    """
    path = source(name)
    return _rendered(name, path, path.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _rendered(name: str, path: Path, _changed: int) -> Document:
    # HTML in a document stays text, and no rule writes a style attribute but tables' alignment.
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    text = re.sub(r"^<!--.*?-->\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    tokens = reader.parse(text)
    headings = _name_headings(tokens)
    links: list[str] = []
    for token in tokens:
        token.attrs.pop("style", None)
        if token.type == "table_open":
            token.attrs["class"] = "doc-table"
        _lead_on(token.children or (), links)
    html = reader.renderer.render(tokens, reader.options, {})
    html = html.replace(
        "<table", '<div class="doc-scroll" tabindex="0" role="region" aria-label="Table"><table'
    )
    html = html.replace("</table>", "</table></div>")
    return Document(
        name=name,
        title=headings[0].words if headings else name,
        # Our own documents, in which HTML is escaped.
        html=mark_safe(html),  # noqa: S308
        headings=headings,
        links=tuple(links),
    )


def _lead_on(parts: Sequence[Token], links: list[str]) -> None:
    """Let links lead to pages, and note them; what has no page here is words alone."""
    is_served = True
    for part in parts:
        if part.type == "link_open":
            address = _address(str(part.attrs["href"]))
            is_served = bool(_SERVED.match(address))
            part.attrs = {"href": address} if is_served else {}
            part.tag = "a" if is_served else "span"
            links += [address] if is_served else []
        elif part.type == "link_close":
            part.tag = "a" if is_served else "span"


def _name_headings(tokens: Sequence[Token]) -> tuple[Heading, ...]:
    """Give each heading its anchor; of two alike the second gets a number, as GitHub does it."""
    found: list[Heading] = []
    seen: dict[str, int] = {}
    for opening, words in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(part.content for part in words.children or ())
        name = slug(text)
        count = seen.get(name, 0)
        seen[name] = count + 1
        name = f"{name}-{count}" if count else name
        opening.attrs["id"] = name
        found.append(Heading(level=int(opening.tag[1]), words=text, anchor=name))
    return tuple(found)


def slug(words: str) -> str:
    """Return the anchor of a heading."""
    return _NO_WORD.sub("", words.lower()).replace(" ", "-")


def _address(href: str) -> str:
    """Return where a link of a document leads in the console.

    `console:` names a page of the console by its address there; other documents are pages too.
    """
    found = _DOCUMENT.match(href)
    if found is not None and found["name"] in (*RUNBOOKS, *OTHERS):
        return reverse("admin:runbook", args=[found["name"]]) + (found["anchor"] or "")
    if href.startswith("/admin/"):
        return reverse("admin:index") + href.removeprefix("/admin/")
    return href
