"""`account` and `profile`: who trades where is added, listed and switched, and audited."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from reconciliation.models import AuditEvent, ExchangeAccount, Profile
from tests.builders import make_account, make_profile

pytestmark = pytest.mark.django_db
ADD = ["add", "main", "--exchange", "okx", "--prefix", "MAIN", "--position-mode", "net"]
ADD_PROFILE = ["add", "alpha", "--account", "main", "--sub-tag", "alpha01", "--capital-usd", "1000"]


def say(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def refusal(command: str, *arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        say(command, *arguments)
    return str(caught.value)


def with_(arguments: list[str], **changes: str) -> list[str]:
    """Return arguments with other values; `name` is the second one."""
    changed = list(arguments)
    for name, value in changes.items():
        at = 1 if name == "name" else changed.index(f"--{name.replace('_', '-')}") + 1
        changed[at] = value
    return changed


def events() -> list[tuple[Any, ...]]:
    return list(AuditEvent.objects.order_by("sequence").values_list("action", "actor_type"))


def test_an_account_is_added_by_whoever_is_at_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "eve")
    types = 'instrument_types=["swap"]'
    say("account", *ADD, "--option", types, "--option", "sub_tag_field=tag")

    account = ExchangeAccount.objects.get()
    assert (account.exchange_id, account.credential_prefix) == ("okx", "MAIN")
    assert account.options == {"instrument_types": ["swap"], "sub_tag_field": "tag"}
    event = AuditEvent.objects.get()
    assert (event.action, event.actor_name) == ("account.created", "eve (shell)")


def test_what_is_missing_to_read_an_account_is_said_when_it_is_added(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "MAIN_API_KEY is not set" in say("account", *ADD)
    for suffix in ("API_KEY", "SECRET", "PASSWORD"):
        monkeypatch.setenv(f"OTHER_{suffix}", "long-enough")
    said = say("account", *with_(ADD, name="other", prefix="OTHER"))

    assert "cannot be read" not in said
    assert "manage.py profile add" in said


def test_no_password_is_asked_for_where_the_exchange_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAIN_API_KEY", "long-enough")
    monkeypatch.setenv("MAIN_SECRET", "long-enough")

    assert "cannot be read" not in say("account", *with_(ADD, exchange="bybit"))


def test_symbols_that_an_exchange_needs_are_asked_for_when_an_account_is_added() -> None:
    said = say("account", *with_(ADD, exchange="binanceusdm"))

    assert "fills of binanceusdm stay unknown" in said
    assert "--option symbols=" in said
    named = [*with_(ADD, exchange="binance", name="spot"), "--option", 'symbols=["BTC/USDT"]']
    assert "unknown" not in say("account", *named)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (with_(ADD, exchange="hyperliquid"), "--exchange: hyperliquid demands"),
        ([*ADD, "--option", "symbols=[5]"], "--option: exchange option symbols is [5]"),
        (
            [*with_(ADD, exchange="kraken"), "--option", 'instrument_types=["swap"]'],
            "its swaps are the exchange krakenfutures",
        ),
        (
            with_(ADD, exchange="kraken", position_mode="hedge"),
            "--position-mode: hedge, but kraken is read for spot, which has no sides to hold",
        ),
        (with_(ADD, exchange="okxx"), "--exchange: unknown exchange 'okxx': did you mean okx"),
        (with_(ADD, exchange=""), "--exchange: unknown exchange ''"),
        (with_(ADD, name="my account"), "NAME: 'my account' cannot be used; it needs 1 to 64"),
        (with_(ADD, prefix="MY-KEYS"), "--prefix: 'MY-KEYS' cannot be used"),
        (with_(ADD, position_mode="nett"), "--position-mode"),
        ([*ADD, "--option", "pac=1"], "--option: unknown exchange option 'pac': did you mean pace"),
        ([*ADD, "--option", "pace"], "--option: 'pace' is not NAME=JSON"),
        ([*ADD, "--option", "instrument_types=[swap"], "is not NAME=JSON"),
        ([*ADD, "--option", "pace=fast"], "--option: exchange option pace is 'fast'"),
    ],
)
def test_an_account_that_cannot_be_right_is_refused_by_the_field(
    arguments: list[str], says: str
) -> None:
    assert says in refusal("account", *arguments)
    assert not ExchangeAccount.objects.exists()
    assert events() == []


def test_an_account_name_is_taken_once() -> None:
    say("account", *ADD)
    assert "choose another name" in refusal("account", *ADD)


def test_accounts_are_listed_for_people_and_for_scripts() -> None:
    assert "manage.py account add" in say("account", "list")
    make_account("main")
    make_account("second", enabled=False, options={"pace": 0})

    _, main, second = say("account", "list").splitlines()
    assert main.split()[:5] == ["main", "okx", "MAIN", "net", "enabled"]
    assert "disabled" in second
    listed = json.loads(say("account", "list", "--json"))["accounts"]
    assert [each["name"] for each in listed] == ["main", "second"]
    assert listed[1]["options"] == {"pace": 0}
    assert listed[1]["enabled"] is False


def test_an_account_is_disabled_and_enabled_with_an_event_each() -> None:
    make_account("main")
    assert say("account", "disable", "main", "--comment", "new keys") == "main is disabled.\n"
    assert say("account", "disable", "main") == "main is disabled already.\n"
    assert not ExchangeAccount.objects.get().enabled
    assert say("account", "enable", "main") == "main is enabled.\n"
    assert ExchangeAccount.objects.get().enabled
    assert [action for action, _ in events()] == ["account.disabled", "account.enabled"]
    assert "new keys" in AuditEvent.objects.order_by("sequence")[0].payload


def test_an_account_that_there_is_not_is_told_with_those_that_there_are() -> None:
    make_account("main")
    assert "'mian'; there are: main" in refusal("account", "disable", "mian")
    assert "'mian'; there are: main" in refusal("profile", *with_(ADD_PROFILE, account="mian"))


def test_a_profile_is_added_and_listed() -> None:
    make_account("main")
    assert "manage.py profile add" in say("profile", "list")
    say("profile", *ADD_PROFILE)

    _, line = say("profile", "list", "--account", "main").splitlines()
    assert line.split() == ["alpha", "main", "alpha01", "1000", "enabled"]
    assert json.loads(say("profile", "list", "--json")) == {
        "profiles": [
            {
                "name": "alpha",
                "account": "main",
                "sub_tag": "alpha01",
                "allocated_capital_usd": "1000",
                "enabled": True,
            }
        ]
    }
    assert events() == [("profile.created", "user")]


def test_only_the_profiles_of_the_account_named_are_listed() -> None:
    make_profile("alpha")
    make_profile("beta", account=make_account("other"))

    listed = json.loads(say("profile", "list", "--account", "other", "--json"))["profiles"]

    assert [each["name"] for each in listed] == ["beta"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "al pha"}, "NAME: 'al pha'"),
        ({"sub_tag": ""}, "--sub-tag: ''"),
        ({"sub_tag": "x" * 65}, "--sub-tag: "),
        ({"capital_usd": "much"}, "--capital-usd: 'much' is not a number"),
        ({"capital_usd": "-1"}, "--capital-usd: -1 is negative"),
        ({"capital_usd": "1e400"}, "--capital-usd: "),
    ],
)
def test_a_profile_that_cannot_be_right_is_refused_by_the_field(
    changes: dict[str, str], says: str
) -> None:
    make_account("main")
    assert says in refusal("profile", *with_(ADD_PROFILE, **changes))
    assert not Profile.objects.exists()


def test_a_sub_tag_is_taken_once_on_an_account() -> None:
    make_account("main")
    say("profile", *ADD_PROFILE)
    assert "alpha01" in refusal("profile", *with_(ADD_PROFILE, name="beta"))
