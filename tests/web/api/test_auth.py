"""Who is let in: a bot by its key, to its own account and profiles; what else is tried is known."""

import json
import logging
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.clock import SystemClock
from reconciliation.domain.audit import system_actor
from reconciliation.handlers.api_keys import MOST_DENIALS_A_MINUTE, revoke_key
from reconciliation.models import ApiKey, ApiKeyUse, AuditEvent
from tests.builders import arranging, make_account, make_profile
from tests.handlers.worlds import CONF
from tests.web.api.bots import Bot, errors_of, everything, make_bot

pytestmark = pytest.mark.django_db
PATHS = [
    "/profiles",
    "/profiles/alpha",
    "/profiles/alpha/mismatches",
    "/client-order-id?profile=alpha&trade_id=T1&purpose=EXIT",
]


def denied() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="api.denied", outcome="denied"))


def expire(key: ApiKey) -> None:
    """Let a key have expired a minute ago."""
    now = SystemClock().now()
    with arranging():
        ApiKey.objects.filter(pk=key.pk).update(
            created_at=now - timedelta(days=2), expires_at=now - timedelta(minutes=1)
        )


@pytest.mark.parametrize("path", PATHS)
def test_a_good_key_is_let_in(path: str):
    assert make_bot().ask(path).status_code == 200
    assert denied() == []


@pytest.mark.parametrize("path", [*PATHS, "/accounts/main/deliveries"])
@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer recon_0123456789ab_" + "0" * 64},
        {"Authorization": "Bearer \x00\xff"},
    ],
    ids=["absent", "empty", "no key", "blank", "basic", "unknown", "garbage"],
)
def test_a_key_that_is_absent_or_unknown_is_refused_and_only_a_tried_one_is_told(
    path: str, header: dict[str, str], caplog: pytest.LogCaptureFixture
):
    bot = make_bot()
    before = AuditEvent.objects.count()
    method = "POST" if "deliveries" in path else "GET"
    response = bot.client.generic(method, f"/api/v1{path}", headers=header)
    assert errors_of(response, 401)[0][0] == "Authorization"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    tried = {"Bearer recon_0123456789ab_" + "0" * 64, "Bearer \x00\xff"}
    told = 1 if header.get("Authorization") in tried else 0
    assert AuditEvent.objects.count() == before + told


def test_a_flood_of_unknown_keys_is_cut():
    bot = Bot(key="recon_0123456789ab_" + "0" * 64)
    for _ in range(MOST_DENIALS_A_MINUTE + 3):
        bot.ask("/profiles")
    events = denied()
    assert len(events) == MOST_DENIALS_A_MINUTE
    assert {event.actor_name for event in events} == {"unknown key"}
    assert not any("0" * 64 in event.payload for event in events)


def test_a_wrong_secret_of_a_key_there_is_passes_for_unknown(caplog: pytest.LogCaptureFixture):
    bot = make_bot()
    wrong = Bot(key=bot.key[:-1] + ("1" if bot.key[-1] == "0" else "0"))
    with caplog.at_level(logging.WARNING, "reconciliation.web.api.auth"):
        ((_, reason),) = errors_of(wrong.ask("/profiles"), 401)
    assert reason == "is not a key of this portal"
    (event,) = denied()
    assert (event.actor_name, event.object_type) == ("unknown key", "api_attempt")
    assert ApiKeyUse.objects.get().last_used_at is None
    assert caplog.messages
    assert wrong.key[-64:] not in caplog.text


def test_a_revoked_key_is_told_so_and_the_attempt_is_audited():
    bot = make_bot()
    revoke_key(name="bot", actor=system_actor("test"), clock=SystemClock(), conf=CONF)
    response = bot.ask("/profiles")
    assert errors_of(response, 401) == [("Authorization", "key bot is revoked")]
    (event,) = denied()
    assert (event.actor_name, event.actor_type) == ("bot", "bot")
    assert event.object_id == str(ApiKey.objects.get().pk)
    assert response.headers["X-Request-ID"] in event.payload
    assert "GET /api/v1/profiles" in event.payload
    assert bot.key[-64:] not in event.payload


def test_a_revoked_key_that_asks_again_and_again_is_told_so_and_logged(
    caplog: pytest.LogCaptureFixture,
):
    bot = make_bot()
    revoke_key(name="bot", actor=system_actor("test"), clock=SystemClock(), conf=CONF)
    for _ in range(MOST_DENIALS_A_MINUTE + 1):
        errors_of(bot.ask("/profiles"), 401)
    assert len(denied()) == MOST_DENIALS_A_MINUTE
    assert "key bot is denied again and again" in caplog.text


def test_an_expired_key_is_told_so_and_the_attempt_is_audited():
    bot = make_bot()
    expire(ApiKey.objects.get())
    ((_, reason),) = errors_of(bot.send("{}"), 401)
    assert reason.startswith("key bot expired at ")
    assert len(denied()) == 1
    assert ApiKeyUse.objects.get().last_used_at is None


def test_another_account_is_forbidden_whether_it_is_there_or_not():
    bot = make_bot()
    make_profile("gamma", account=make_account("other"))
    body = json.dumps(everything())
    answers = [
        errors_of(bot.send(body, path=f"/api/v1/accounts/{name}/deliveries"), 403)
        for name in ("other", "nowhere", "\x00", "x" * 3000)
    ]
    assert answers == [[("account", "this key is for account main")]] * 4
    assert len(denied()) == 4


@pytest.mark.parametrize("path", ["/profiles/{}", "/profiles/{}/mismatches"])
def test_another_profile_is_forbidden_whether_it_is_there_or_not(path: str):
    bot = make_bot()
    make_profile("beta")
    for name in ("beta", "nobody", "\x00"):
        assert errors_of(bot.ask(path.format(name)), 403) == [("profile", "this key is for alpha")]
    assert [event.account_name for event in denied()] == ["main"] * 3


def test_a_list_holds_the_profiles_of_the_key_alone():
    make_profile("gamma")
    names = [
        each["name"]
        for each in json.loads(make_bot("beta", "alpha").ask("/profiles").content)["profiles"]
    ]
    assert names == ["alpha", "beta"]


def test_letting_a_bot_in_takes_two_statements_and_one_more_once_a_minute():
    bot = make_bot()
    with CaptureQueriesContext(connection) as first:
        bot.ask("/profiles")
    with CaptureQueriesContext(connection) as second:
        bot.ask("/profiles")
    about_keys = [len([q for q in each if "apikey" in q["sql"]]) for each in (first, second)]
    assert about_keys == [3, 2]
    assert len(second) == 5
    assert ApiKeyUse.objects.get().last_used_at is not None
