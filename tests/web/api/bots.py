"""A bot as a test drives it: its key, its requests and what it is answered."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.http import HttpResponse
from django.test import Client

from reconciliation.clock import SystemClock
from reconciliation.domain.audit import system_actor
from reconciliation.handlers.api_keys import create_key
from tests.builders import SYMBOL, make_profile
from tests.handlers.worlds import CONF

API = "/api/v1"
DELIVERIES = f"{API}/accounts/main/deliveries"
EARLIER = "2026-01-05T10:00:00Z"


@dataclass
class Bot:
    """A client that shows a key; it hands on no exception, as no client on the network would."""

    key: str
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def ask(self, path: str, *, method: str = "GET", **options: Any) -> HttpResponse:
        headers = {"Authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return self.client.generic(method, API + path, headers=headers, **options)

    def send(self, body: str | bytes, **options: Any) -> HttpResponse:
        """Post a body as it is."""
        options = {"content_type": "application/json", **options}
        data = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
        path = options.pop("path", DELIVERIES).removeprefix(API)
        return self.ask(path, method="POST", data=data, **options)

    def deliver(self, **sections: list[Any]) -> dict[str, Any]:
        """Deliver rows; return the answer, which is a 200."""
        response = self.send(json.dumps(sections))
        assert response.status_code == 200, response.content
        answer: dict[str, Any] = json.loads(response.content)
        return answer


def make_bot(*profiles: str, name: str = "bot", days: int = 365) -> Bot:
    """Make a key for profiles (alpha unless given) of account main, by the system's clock."""
    for profile in profiles or ("alpha",):
        make_profile(profile)
    issued = create_key(
        name=name,
        profiles=profiles or ("alpha",),
        lifetime=timedelta(days=days),
        actor=system_actor("test"),
        clock=SystemClock(),
        conf=CONF,
    )
    return Bot(key=issued.text)


def errors_of(response: HttpResponse, status: int) -> list[tuple[str, str]]:
    """Return field and reason of each error of an answer, which has the one format."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    body = json.loads(response.content)
    assert set(body) == {"errors", "request_id"}
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert response.headers["Cache-Control"] == "no-store"
    assert all(set(each) == {"field", "reason"} for each in body["errors"])
    assert body["errors"]
    return [(each["field"], each["reason"]) for each in body["errors"]]


def trade(trade_id: str = "T1", **values: Any) -> dict[str, Any]:
    """Return a long of alpha as JSON."""
    defaults = {
        "trade_id": trade_id,
        "profile": "alpha",
        "symbol": SYMBOL,
        "direction": "long",
        "opened_at": EARLIER,
    }
    return {**defaults, **values}


def order(client_order_id: str = "c1", **values: Any) -> dict[str, Any]:
    """Return a filled entry of T1 for 0.5 as JSON."""
    defaults = {
        "client_order_id": client_order_id,
        "trade_id": "T1",
        "profile": "alpha",
        "purpose": "ENTRY",
        "symbol": SYMBOL,
        "side": "buy",
        "type": "limit",
        "status": "FILLED",
        "quantity": "0.5",
        "filled_quantity": "0.5",
        "price": "60000",
        "created_at": EARLIER,
    }
    return {**defaults, **values}


def history(row_id: str = "h1", **values: Any) -> dict[str, Any]:
    """Return an entry of T1 for 0.5 by order c1 as JSON."""
    defaults = {
        "row_id": row_id,
        "trade_id": "T1",
        "kind": "ENTRY",
        "quantity": "0.5",
        "price": "60000",
        "executed_at": EARLIER,
        "order_ref": "c1",
    }
    return {**defaults, **values}


def position(**values: Any) -> dict[str, Any]:
    """Return alpha's long of 0.5 as JSON."""
    defaults = {
        "profile": "alpha",
        "symbol": SYMBOL,
        "direction": "long",
        "quantity": "0.5",
        "entry_price": "60000",
    }
    return {**defaults, **values}


def everything() -> dict[str, list[Any]]:
    """Return one row of each kind that fit together."""
    return {
        "trades": [trade()],
        "orders": [order()],
        "history": [history()],
        "positions": [position()],
    }
