"""`api_key`: a bot's key is created, listed and revoked, and shown once."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from reconciliation.domain.api_keys import is_secret, split_key
from reconciliation.models import ApiKey, AuditEvent
from tests.builders import NOW, make_account, make_api_key, make_profile

pytestmark = pytest.mark.django_db


def say(*arguments: str) -> str:
    out = StringIO()
    call_command("api_key", *arguments, stdout=out)
    return out.getvalue()


def refusal(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        say(*arguments)
    assert caught.value.returncode == 2
    return str(caught.value)


def create(name: str = "bot", *arguments: str) -> dict[str, Any]:
    make_profile()
    answer = say("create", name, "--profile", "alpha", "--json", *arguments)
    parsed: dict[str, Any] = json.loads(answer)
    return parsed


def test_a_key_is_created_by_whoever_is_at_the_shell_and_shown_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOGNAME", "eve")
    make_profile(), make_profile("beta")
    said = say("create", "bot", "--profile", "beta", "--profile", "alpha").splitlines()
    key = ApiKey.objects.get()
    parts = split_key(said[-1])
    assert parts is not None
    assert is_secret(parts[1], key.digest)
    assert said[0].startswith("bot is created, for alpha, beta on account main, until ")
    assert (key.expires_at - key.created_at).days == 365
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name) == ("api_key.created", "eve (shell)")
    listed = say("list") + say("list", "--json")
    assert key.public_id in listed
    assert parts[1] not in listed
    assert key.digest not in listed


def test_a_script_reads_the_key_as_json() -> None:
    answer = create("bot", "--expires-in", "7")
    key = ApiKey.objects.get()
    assert split_key(answer["key"])[0] == key.public_id == answer["public_id"]
    assert (answer["name"], answer["account"], answer["profiles"]) == ("bot", "main", ["alpha"])
    assert (key.expires_at - key.created_at).days == 7


def test_what_cannot_be_is_refused_with_the_argument() -> None:
    create()
    make_profile("gamma", account=make_account("other"))
    assert refusal("create", "bot", "--profile", "alpha").startswith("NAME: a key 'bot' exists")
    assert refusal("create", "a b", "--profile", "alpha").startswith("NAME: 'a b'")
    assert refusal("create", "b", "--profile", "nobody").startswith("--profile: no profile is")
    crossing = refusal("create", "b", "--profile", "alpha", "--profile", "gamma")
    assert crossing.startswith("--profile: a key is for profiles of one account")
    for days in ("0", "-1", "1827", "9" * 30):
        said = refusal("create", "b", "--profile", "alpha", f"--expires-in={days}")
        assert said == "--expires-in: a key lives for 1 to 1826 days"
    assert ApiKey.objects.count() == 1


def test_a_list_tells_the_state_of_each_key() -> None:
    assert "There is no key yet" in say("list")
    make_api_key("past", expires_at=NOW.replace(day=6))
    make_api_key("gone", revoked_at=NOW, revoked_by="eve")
    create("live")
    states = {each["name"]: each["state"] for each in json.loads(say("list", "--json"))["api_keys"]}
    assert states == {"past": "expired", "gone": "revoked", "live": "active"}
    rows = {line.split()[0]: line for line in say("list").splitlines()[1:]}
    assert all(state in rows[name] for name, state in states.items())
    assert rows["live"].endswith("never")


def test_revoking_twice_is_answered_kindly_and_audited_once() -> None:
    create()
    assert say("revoke", "bot") == "bot is revoked; it opens nothing from now on.\n"
    assert say("revoke", "bot").startswith("bot is revoked already, since ")
    assert AuditEvent.objects.filter(action="api_key.revoked").count() == 1
    assert "there are: bot" in refusal("revoke", "nobody")
