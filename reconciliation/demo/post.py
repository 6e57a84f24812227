"""Deliveries over HTTP: to the API, with the bot's key, again and again until they are taken.

What could not be delivered is delivered again later, the same rows in the same order: the portal
knows them again. The bot goes on meanwhile.
"""

import json
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from random import Random
from typing import Protocol

from reconciliation.demo.ports import HOST
from reconciliation.domain.amounts import plain
from reconciliation.domain.deliveries import Delivery
from reconciliation.domain.keys import iso_utc

ANSWER_SECONDS = 5.0
_FIRST_WAIT, _LONGEST_WAIT = 1, 15
_SECTIONS = ("trades", "orders", "history", "positions")


@dataclass(frozen=True, slots=True)
class Response:
    """What the portal answered."""

    status: int
    body: bytes


class Send(Protocol):
    """How a request gets to the portal; raises OSError when it does not."""

    def __call__(self, path: str, body: bytes, headers: dict[str, str]) -> Response: ...


class Post:
    """One bot's deliveries, in order; a second passes with each `tick`."""

    def __init__(
        self, *, account: str, key: str, send: Send, random: Random, say: Callable[[str], None]
    ) -> None:
        self._path = f"/api/v1/accounts/{account}/deliveries"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        self._send = send
        self._random = random
        self._say = say
        self._waiting: deque[bytes] = deque()
        self._wait = self._next_wait = 0

    @property
    def is_empty(self) -> bool:
        """Return whether everything was delivered."""
        return not self._waiting

    def deliver(self, delivery: Delivery) -> None:
        """Take a delivery; it goes out with the next tick, if nothing is in its way."""
        self._waiting.append(body_of(delivery))

    def tick(self) -> None:
        """Let a second pass, and send what is waiting for as long as the portal takes it."""
        self._wait -= 1
        while self._waiting and self._wait <= 0:
            try:
                response = self._send(self._path, self._waiting[0], self._headers)
            except (OSError, HTTPException):
                self._put_off()
                return
            if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                self._put_off()
                return
            self._next_wait = 0
            self._waiting.popleft()
            self._report(response)

    def _put_off(self) -> None:
        self._next_wait = min(max(self._next_wait * 2, _FIRST_WAIT), _LONGEST_WAIT)
        self._wait = self._next_wait + self._random.randint(0, self._next_wait)

    def _report(self, response: Response) -> None:
        """Say what was not taken: of a bot in good order that is nothing."""
        answer = json.loads(response.body)
        if response.status != HTTPStatus.OK:
            self._say(f"a delivery was refused: {response.status} {answer.get('errors')}")
            return
        for row in answer["rows"]:
            if row["outcome"] == "refused":
                self._say(
                    f"a delivered row was refused: {row['kind']} {row['ref']},"
                    f" {row['field']}: {row['reason']}"
                )


def send_to(port: int) -> Send:
    """Return how a request gets to the web server of this machine on a port."""

    def send(path: str, body: bytes, headers: dict[str, str]) -> Response:
        connection = HTTPConnection(HOST, port, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.read())
        finally:
            connection.close()

    return send


def body_of(delivery: Delivery) -> bytes:
    """Return a delivery as the API takes it: amounts and moments as texts, without what is None."""
    rows = {
        section: [
            {name: _text(value) for name, value in asdict(row).items() if value is not None}
            for row in getattr(delivery, section)
        ]
        for section in _SECTIONS
    }
    return json.dumps({section: each for section, each in rows.items() if each}).encode()


def _text(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    return iso_utc(value) if isinstance(value, datetime) else value
