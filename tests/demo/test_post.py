"""Deliveries over HTTP: nothing is lost or doubled while the portal is away."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from reconciliation.demo.plans import make_random
from reconciliation.demo.post import Post, Response, body_of
from reconciliation.domain.deliveries import DeliveredHistory, DeliveredPosition, Delivery
from reconciliation.enums import Direction, HistoryKind

TAKEN = Response(200, b'{"rows": []}')


def position(quantity: str) -> Delivery:
    row = DeliveredPosition(
        profile="trend", symbol="BTC", direction=Direction.LONG, quantity=Decimal(quantity)
    )
    return Delivery(account="main", positions=(row,))


class Portal:
    """Answers as it is told, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answers: list[Response | Exception] = []
        self.bodies: list[bytes] = []
        self.said: list[str] = []
        self.post = Post(
            account="main", key="k", send=self, random=make_random("1"), say=self.said.append
        )

    def __call__(self, path: str, body: bytes, headers: dict[str, str]) -> Response:
        assert path == "/api/v1/accounts/main/deliveries"
        assert headers["Authorization"] == "Bearer k"
        answer = self.answers.pop(0) if self.answers else TAKEN
        self.bodies.append(body)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def ticks(self, count: int) -> None:
        for _ in range(count):
            self.post.tick()


def test_everything_goes_out_with_the_next_tick_in_order() -> None:
    portal = Portal()
    deliveries = [position("1"), position("2")]
    for each in deliveries:
        portal.post.deliver(each)
    assert portal.bodies == []

    portal.ticks(1)

    assert portal.bodies == [body_of(each) for each in deliveries]
    assert portal.post.is_empty


@pytest.mark.parametrize("trouble", [ConnectionRefusedError(), TimeoutError(), Response(503, b"")])
def test_what_was_not_taken_is_sent_again_with_the_same_rows_before_anything_else(
    trouble: Response | Exception,
) -> None:
    portal = Portal()
    portal.answers = [trouble, trouble]
    portal.post.deliver(position("1"))
    portal.ticks(1)
    portal.post.deliver(position("2"))

    portal.ticks(20)

    first, second = body_of(position("1")), body_of(position("2"))
    assert portal.bodies == [first, first, first, second]
    assert portal.post.is_empty
    assert portal.said == []


def test_it_waits_longer_the_longer_the_portal_is_away() -> None:
    portal = Portal()
    portal.answers = [ConnectionRefusedError() for _ in range(100)]
    portal.post.deliver(position("1"))

    portal.ticks(60)

    assert 3 <= len(portal.bodies) <= 12


def test_a_row_that_is_refused_is_said_and_not_sent_again() -> None:
    portal = Portal()
    row = {"kind": "order", "ref": "o1", "outcome": "refused", "field": "side", "reason": "is bad"}
    portal.answers = [Response(200, json.dumps({"rows": [row]}).encode())]
    portal.post.deliver(position("1"))

    portal.ticks(2)

    assert portal.said == ["a delivered row was refused: order o1, side: is bad"]
    assert len(portal.bodies) == 1


def test_a_key_that_opens_nothing_is_said() -> None:
    portal = Portal()
    portal.answers = [Response(401, b'{"errors": [{"field": "Authorization", "reason": "no"}]}')]
    portal.post.deliver(position("1"))

    portal.ticks(1)

    assert "a delivery was refused: 401" in portal.said[0]


def test_amounts_and_moments_are_texts_and_what_is_unknown_is_left_out() -> None:
    row = DeliveredHistory(
        row_id="r",
        trade_id="t",
        kind=HistoryKind.EXIT,
        quantity=Decimal("0.10"),
        executed_at=datetime(2026, 1, 5, 12, tzinfo=UTC),
    )

    sent = json.loads(body_of(Delivery(account="main", history=(row,))))

    assert list(sent) == ["history"]
    assert sent["history"][0]["quantity"] == "0.1"
    assert sent["history"][0]["executed_at"].startswith("2026-01-05T12:00:00")
    assert "price" not in sent["history"][0]
