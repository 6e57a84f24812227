"""Reads the console's pages as a person does: by headings, rows and the words of links."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from django.db.models import Model
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

VOID = frozenset({"br", "img", "input", "link", "meta", "hr", "use", "path"})


@dataclass
class Part:
    """A table, or a section of an object page: its cells, and its links as (words, address)."""

    title: str = ""
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)

    def fact(self, name: str) -> str:
        """Return the value beside a name."""
        found = [row[1:] for row in self.rows if row and row[0] == name]
        assert len(found) == 1, f"{self.title} has {len(found)} rows named {name}"
        return " | ".join(found[0])

    def href(self, words: str) -> str:
        """Return the address behind the words of a link."""
        found = {address for text, address in self.links if text == words}
        assert len(found) == 1, f"{self.title}: {words} leads to {sorted(found)}: {self.links}"
        return found.pop()


class Page(HTMLParser):
    """A parsed page: the rows of a list, the sections of an object page, and the rest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inline_code: list[str] = []
        self.main = Part(title="page")
        self.results = Part(title="results")
        self.sections: list[Part] = []
        self._open: list[str] = []
        self._in_results = False
        self._heading: list[str] | None = None
        self._link: tuple[str, list[str]] | None = None
        self._code: dict[str, str | None] | None = None
        self.feed(html)

    def section(self, title: str) -> Part:
        found = [section for section in self.sections if section.title == title]
        assert len(found) == 1, f"{title} is not among {[part.title for part in self.sections]}"
        return found[0]

    def titles(self) -> list[str]:
        return [section.title for section in self.sections]

    @property
    def part(self) -> Part:
        if "section" in self._open:
            return self.sections[-1]
        return self.results if self._in_results else self.main

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag in VOID:
            return
        self._open.append(tag)
        if tag == "section":
            self.sections.append(Part())
        elif tag == "h2":
            self._heading = []
        elif tag == "table":
            self._in_results = attributes.get("id") == "result_list"
        elif tag == "tr":
            self.part.rows.append([])
        elif tag in ("td", "th") and self.part.rows:
            self.part.rows[-1].append("")
        elif tag == "a":
            self._link = (attributes.get("href") or "", [])
        elif tag in ("script", "style"):
            self._code = attributes

    def handle_endtag(self, tag: str) -> None:
        if tag == "h2" and self._heading is not None:
            if "section" in self._open:
                self.part.title = _words(self._heading)
            self._heading = None
        elif tag == "a" and self._link is not None:
            address, words = self._link
            self.part.links.append((_words(words), address))
            self._link = None
        elif tag in ("script", "style"):
            self._code = None
        elif tag == "table":
            self._in_results = False
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._code is not None:
            if data.strip():
                self.inline_code.append(data)
            return
        if self._heading is not None:
            self._heading.append(data)
        if self._link is not None:
            self._link[1].append(data)
        part = self.part
        part.text = " ".join((part.text + data).split()) + (" " if data[-1:].isspace() else "")
        if part.rows and part.rows[-1] and {"td", "th"} & set(self._open):
            part.rows[-1][-1] = " ".join((part.rows[-1][-1] + data).split())


class Console:
    """A browser on the console."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def open(self, address: str) -> Page:
        response = self.client.get(address, follow=True)
        assert response.status_code == 200, f"{address} answered {response.status_code}"
        return Page(response.content.decode())

    def page_of(self, row: Model) -> Page:
        return self.open(object_address(row))

    def list_of(self, model: type[Model], **parameters: Any) -> Page:
        response = self.client.get(list_address(model), parameters, follow=True)
        assert response.status_code == 200, f"{parameters} answered {response.status_code}"
        return Page(response.content.decode())

    def get(self, address: str, **parameters: Any) -> HttpResponse:
        return self.client.get(address, parameters)

    def post(self, address: str, **values: Any) -> HttpResponse:
        return self.client.post(address, values)


def address(model: type[Model], view: str, *args: object) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def object_address(row: Model) -> str:
    return address(type(row), "change", row.pk)


def list_address(model: type[Model]) -> str:
    return address(model, "changelist")


def column(page: Page, heading: str) -> list[str]:
    """Return the cells of a list under a heading."""
    headings, *rows = page.results.rows or [[]]
    return [row[headings.index(heading)] for row in rows]


def result_rows(page: Page) -> list[list[str]]:
    """Return the rows of a list without its headings."""
    return page.results.rows[1:]


def _words(parts: list[str]) -> str:
    return " ".join("".join(parts).split())
