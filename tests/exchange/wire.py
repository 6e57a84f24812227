"""A transport below ccxt: requests to the exchange's real addresses are answered by the test.

Nothing is replaced but the sending of a prepared request: ccxt builds the address, signs, parses
and names errors, as in production. What no route answers fails the test.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter

from reconciliation.domain.types import ExchangeFill
from reconciliation.enums import InstrumentType, PositionMode
from reconciliation.exchange.ccxt_gateway import CcxtGateway
from reconciliation.exchange.credentials import Credentials
from tests.exchange.builders import Monotonic
from tests.exchange.paper.builders import NOW

Query = Mapping[str, str]
Route = Callable[[Query], object]

KEYS = Credentials(
    api_key="wire-api-key-0001",
    # Kraken's secrets are base64.
    secret="d2lyZSBzZWNyZXQgMDAwMQ==",
    prefix="MAIN",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: its method, host and path, and all its parameters."""

    method: str
    place: str
    query: Query


class Refusal(Exception):
    """An answer that is not a success: its status and body."""

    def __init__(self, body: object, status: int = 200) -> None:
        super().__init__(str(body))
        self.body = body
        self.status = status


def read_window(
    gateway: CcxtGateway, kind: InstrumentType, *, days: float = 1
) -> list[ExchangeFill]:
    """Return the fills of the last days, each once, having checked that no interval is open."""
    start = NOW - timedelta(days=days)
    pages = list(gateway.fetch_fill_pages(kind, start=start, end=NOW))
    assert (pages[0].end, pages[-1].start) == (NOW, start)
    for newer, older in pairwise(pages):
        assert older.end == newer.start
    assert all(p.start <= f.executed_at <= p.end for p in pages for f in p.fills)
    return list({fill.key: fill for page in pages for fill in page.fills}.values())


class Wire(BaseAdapter):
    """Answers by host and path; a route gives what becomes JSON, or raises a `Refusal`."""

    def __init__(self) -> None:
        super().__init__()
        self.routes: dict[str, Route] = {}
        self.faults: dict[str, tuple[int, str]] = {}
        self.asked: list[Asked] = []
        self.unexpected: list[str] = []
        self.monotonic = Monotonic()
        self._gateways: list[CcxtGateway] = []

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(request.url)
        body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
        place = f"{parts.hostname}{parts.path}"
        query = dict(parse_qsl(parts.query) + parse_qsl(body))
        self.asked.append(Asked(method=request.method, place=place, query=query))
        response = requests.Response()
        response.url, response.request = request.url, request
        response.status_code, text = self._answer(place, query)
        response.reason = "told"
        response._content = text.encode()
        return response

    def close(self) -> None:
        """Do nothing: a session closes what is mounted in it."""

    def disconnect(self) -> None:
        """Close every gateway; fail where one asked for what there is no route for."""
        for gateway in self._gateways:
            gateway.close()
        assert self.unexpected == []

    def _answer(self, place: str, query: Query) -> tuple[int, str]:
        fault = next((told for end, told in self.faults.items() if place.endswith(end)), None)
        if fault is not None:
            return fault
        if place not in self.routes:
            self.unexpected.append(place)
            return 404, "no such route"
        try:
            return 200, json.dumps(self.routes[place](query))
        except Refusal as refusal:
            return refusal.status, json.dumps(refusal.body)

    def fail(self, path: str, body: str, *, status: int = 200) -> None:
        """Answer every place whose name ends so with a text, as it is."""
        self.faults[path] = (status, body)

    def queries(self, path: str) -> list[Query]:
        """Return the parameters of the requests to places whose name ends so."""
        return [each.query for each in self.asked if each.place.endswith(path)]

    def connect(self, exchange_id: str, **changes: Any) -> CcxtGateway:
        """Return a gateway whose requests come here; in a fresh cycle, with its instruments."""
        arguments: dict[str, Any] = {
            "exchange_id": exchange_id,
            "credentials": KEYS,
            "position_mode": PositionMode.NET,
            "clock": lambda: NOW,
            "sleep": self.monotonic.sleep,
            "monotonic": self.monotonic,
            "random": lambda: 0.5,
        }
        gateway = CcxtGateway(**(arguments | changes))
        gateway._client.session.mount("https://", self)
        gateway._client.session.mount("http://", self)
        gateway.begin_cycle(budget_seconds=300)
        self._gateways.append(gateway)
        return gateway
