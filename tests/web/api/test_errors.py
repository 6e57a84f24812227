"""Whatever goes wrong is answered in one format, and says nothing of the inside."""

import json
import logging

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError
from django.http import UnreadablePostError
from django.test import Client

from reconciliation.models import AuditEvent
from reconciliation.web.api import auth, body, deliveries
from tests.web.api.bots import DELIVERIES, errors_of, make_bot

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "{",
        "null",
        "[]",
        "7",
        '"text"',
        "NaN",
        '{"trades": NaN}',
        '{"trades": [Infinity]}',
        '{"trades": [-Infinity]}',
        '{"trades": [], "trades": []}',
        '{"surprise": []}',
        '{"\\ud800": []}',
        '{"trades": {}}',
        '{"trades": null}',
        '{"trades": "\\u0000"}',
        "\ufeff{}",
        "{}{}",
        "{'trades': []}",
        '{"trades":' + "[" * 200_000,
        '{"a":' * 100_000,
        "[" * 5_000 + "]" * 5_000,
    ],
    ids=lambda text: text[:30],
)
def test_a_body_that_is_no_delivery_is_a_bad_request(text: str):
    assert errors_of(make_bot().send(text), 400)


@pytest.mark.parametrize("data", [b"\xff", b'{"trades": ["\xed\xa0\x80"]}', b"\x00", b"\xff\xfe{}"])
def test_bytes_that_are_no_text_are_a_bad_request(data: bytes):
    assert errors_of(make_bot().send(data), 400)


@pytest.mark.parametrize("number", ["9" * 10_000, "1e999999999", "-0", "0.1"])
def test_a_number_is_no_row_however_large(number: str):
    answer = json.loads(make_bot().send(f'{{"trades": [{number}]}}').content)
    assert answer["refused"] == 1


@pytest.mark.parametrize(
    "options",
    [
        {"content_type": "text/plain"},
        {"content_type": "application/x-www-form-urlencoded"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"content_type": ""},
        {"content_type": "application/json; charset=utf-16"},
        {"headers": {"Content-Encoding": "gzip"}},
    ],
    ids=str,
)
def test_what_is_not_json_by_its_headers_is_not_read(options):
    assert errors_of(make_bot().send("{}", **options), 415)


def test_json_in_utf_8_may_say_so():
    response = make_bot().send("{}", content_type="application/json; charset=UTF-8")
    assert response.status_code == 200


def test_a_body_beyond_the_limit_is_refused_with_the_limit():
    bot = make_bot()
    room = body.MAX_BODY_BYTES - len('{"trades":[]}')
    assert bot.send('{"trades":[' + " " * room + "]}").status_code == 200
    for more in (1, 3_000_000):
        ((_, reason),) = errors_of(bot.send('{"trades":[' + " " * (room + more) + "]}"), 413)
        assert str(body.MAX_BODY_BYTES) in reason


@pytest.mark.parametrize("length", ["", "-1", "0", "9" * 30])
def test_a_length_that_is_none_breaks_nothing(length: str):
    response = make_bot().ask(
        "/accounts/main/deliveries",
        method="POST",
        data=b"{}",
        content_type="application/json",
        CONTENT_LENGTH=length,
    )
    assert errors_of(response, 413 if "9" in length else 400)


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/profiles/", "/docs", "/profiles/a/b/c", "/%00"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_any_other_path_is_not_found_in_the_same_format(path: str, method: str):
    assert errors_of(make_bot().ask(path, method=method), 404) == [
        ("path", "there is nothing here")
    ]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/profiles", "GET"), ("/profiles/alpha", "GET"), ("/accounts/main/deliveries", "POST")],
)
def test_a_method_that_a_path_has_not_is_answered_with_those_it_has(path: str, allowed: str):
    for method in ("PUT", "PATCH", "DELETE", "TRACE", "GET" if allowed == "POST" else "POST"):
        response = make_bot(name=f"bot{method}").ask(path, method=method)
        ((field, reason),) = errors_of(response, 405)
        assert field == "method"
        assert response.headers["Allow"] == allowed
        assert reason.endswith(f"use {allowed}")


@pytest.mark.parametrize("where", ["authentication", "work"])
@pytest.mark.parametrize("debug", [True, False])
def test_a_fault_of_ours_is_logged_and_not_told(
    where, debug, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, settings
):
    settings.DEBUG = debug
    bot = make_bot()

    def fail(*args: object, **kwargs: object) -> None:
        raise ProgrammingError("relation of secret columns")

    monkeypatch.setattr(
        *((auth, "find_key") if where == "authentication" else (deliveries, "deliver")), fail
    )
    with caplog.at_level(logging.ERROR):
        response = bot.send("{}")
    assert errors_of(response, 500)[0][0] == "request"
    assert b"secret" not in response.content
    (record,) = [record for record in caplog.records if record.name.endswith("api.errors")]
    assert response.headers["X-Request-ID"] in record.getMessage()
    assert record.exc_info is not None
    assert "secret columns" in str(record.exc_info[1])


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("where", ["authentication", "work"])
def test_a_database_that_is_gone_is_asked_again_later(where, error, monkeypatch):
    bot = make_bot()

    def fail(*args: object, **kwargs: object) -> None:
        raise error("server at 10.0.0.7 closed the connection")

    monkeypatch.setattr(
        *((auth, "find_key") if where == "authentication" else (deliveries, "deliver")), fail
    )
    response = bot.send("{}")
    assert errors_of(response, 503)
    assert response.headers["Retry-After"] == "5"
    assert b"10.0.0.7" not in response.content


def test_a_body_that_breaks_off_is_a_bad_request(monkeypatch: pytest.MonkeyPatch):
    def fail(*args: object) -> None:
        raise UnreadablePostError("connection reset")

    monkeypatch.setattr(deliveries, "read_object", fail)
    assert errors_of(make_bot().send("{}"), 400)


def test_no_cookie_lets_anybody_in_and_none_is_asked_for():
    client = Client(enforce_csrf_checks=True)
    assert errors_of(client.post(DELIVERIES, "{}", content_type="application/json"), 401)
    response = make_bot().send("{}")
    assert not response.cookies
    assert AuditEvent.objects.filter(action="api.denied").count() == 0
