"""Who reads the endpoints of monitoring: the token opens them, and nothing else but loopback."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings

from tests.web.conftest import TOKEN

pytestmark = pytest.mark.django_db
GUARDED = ("/internal/health", "/metrics")
LIVE = "/internal/live"
EVERY = (*GUARDED, LIVE)
# A server with nothing to reconcile is not healthy, and says so to those who may read.
OPEN = {200, 503}


def ask(address: str, authorization: str | None = None, method: str = "GET", **extra: Any):
    headers = {} if authorization is None else {"authorization": authorization}
    return Client(enforce_csrf_checks=True).generic(method, address, headers=headers, **extra)


def is_open(response: HttpResponse) -> bool:
    return response.status_code in OPEN


@pytest.mark.parametrize("address", GUARDED)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
@override_settings(INTERNAL_API_TOKEN=TOKEN)
def test_the_token_opens(address: str, scheme: str):
    assert is_open(ask(address, f"{scheme} {TOKEN}"))


@pytest.mark.parametrize("address", GUARDED)
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Token {TOKEN}"],
)
@override_settings(INTERNAL_API_TOKEN=TOKEN, DEBUG=True, DEMO=True)
def test_without_the_token_it_says_what_is_missing_also_on_loopback(address, authorization):
    response = ask(address, authorization)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == 'Bearer realm="monitoring"'
    said = response.json()
    assert "Authorization: Bearer" in said["error"]
    assert "INTERNAL_API_TOKEN" in said["hint"]


@pytest.mark.parametrize("address", GUARDED)
@pytest.mark.parametrize(
    "given",
    [TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "ü", "x" * 100_000, "\x00", f"{TOKEN} {TOKEN}"],
)
@override_settings(INTERNAL_API_TOKEN=TOKEN)
def test_another_token_does_not_open(address: str, given: str):
    response = ask(address, f"Bearer {given}")
    assert response.status_code == 401
    assert 'error="invalid_token"' in response["WWW-Authenticate"]
    assert TOKEN not in response.content.decode()


@pytest.mark.parametrize("address", GUARDED)
@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("server", ["DEBUG", "DEMO"])
def test_a_development_or_demo_server_without_a_token_lets_its_own_machine_in(
    address: str, client: str, server: str
):
    with override_settings(INTERNAL_API_TOKEN="", **{server: True}):
        assert is_open(ask(address, REMOTE_ADDR=client))


@pytest.mark.parametrize("address", GUARDED)
@pytest.mark.parametrize(
    ("server", "request_of"),
    [
        ({}, {"REMOTE_ADDR": "127.0.0.1"}),
        ({"DEMO": True}, {"REMOTE_ADDR": "10.0.0.7"}),
        ({"DEBUG": True}, {"REMOTE_ADDR": "127.0.0.1.example"}),
        ({"DEBUG": True}, {"REMOTE_ADDR": ""}),
        ({"DEMO": True}, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}),
        ({"DEMO": True}, {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": ""}),
        ({"DEBUG": True}, {"REMOTE_ADDR": "::1", "HTTP_FORWARDED": "for=10.0.0.7"}),
        ({"DEBUG": True}, {"REMOTE_ADDR": "::1", "HTTP_X_REAL_IP": "10.0.0.7"}),
    ],
    ids=[
        "a server in earnest",
        "another machine",
        "a name that begins like it",
        "nobody knows who",
        "behind a proxy",
        "behind a proxy that hides who",
        "behind a proxy of the standard",
        "behind a proxy that names one",
    ],
)
def test_nobody_else_gets_in_without_a_token_and_is_told_the_way(address, server, request_of):
    with override_settings(**{"INTERNAL_API_TOKEN": "", "DEBUG": False, "DEMO": False, **server}):
        response = ask(address, "Bearer ", **request_of)
    assert response.status_code == 403
    assert "INTERNAL_API_TOKEN" in response.json()["hint"]
    assert "secrets.token_urlsafe" in response.json()["hint"]


@override_settings(INTERNAL_API_TOKEN=TOKEN)
def test_whether_the_process_is_up_anybody_may_ask_and_no_query_is_made(
    django_assert_num_queries,
):
    with django_assert_num_queries(0):
        response = ask(LIVE, REMOTE_ADDR="10.0.0.7")
    assert (response.status_code, response.json()) == (200, {"status": "live"})


@override_settings(INTERNAL_API_TOKEN=TOKEN)
def test_no_query_is_made_for_who_may_not_read(django_assert_num_queries):
    with django_assert_num_queries(0):
        for address in GUARDED:
            ask(address)


@pytest.mark.parametrize("address", EVERY)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@override_settings(INTERNAL_API_TOKEN=TOKEN)
def test_there_is_nothing_but_reading(address: str, method: str):
    response = ask(address, f"Bearer {TOKEN}", method)
    assert response.status_code == 405
    assert response["Allow"] == "GET, HEAD"


@pytest.mark.parametrize("address", EVERY)
@override_settings(INTERNAL_API_TOKEN=TOKEN)
def test_head_answers_like_get_without_a_body(address: str):
    head, get = (ask(address, f"Bearer {TOKEN}", method) for method in ("HEAD", "GET"))
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head["Content-Type"] == get["Content-Type"]


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", None])
@pytest.mark.parametrize("address", EVERY)
@override_settings(INTERNAL_API_TOKEN=TOKEN)
def test_no_answer_is_kept_by_anything_on_the_way(address: str, authorization: str | None):
    assert ask(address, authorization)["Cache-Control"] == "no-store"


@pytest.mark.parametrize("address", EVERY)
@override_settings(INTERNAL_API_TOKEN=TOKEN, SECURE_SSL_REDIRECT=True)
def test_monitoring_asks_from_inside_where_no_tls_ends(address: str):
    assert is_open(ask(address, f"Bearer {TOKEN}"))
