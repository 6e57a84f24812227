"""`locks` says who keeps whom waiting."""

import json
from io import StringIO

import pytest
from django.core.management import call_command

from tests.selectors.test_locks import claim, hold

pytestmark = pytest.mark.django_db


def test_the_command_lists_both_in_words_and_as_json() -> None:
    hold("alpha", seconds=60)
    run = claim("dead", seconds=-1)
    out = StringIO()
    call_command("locks", stdout=out)
    _, lease, account = out.getvalue().splitlines()
    assert lease.split("  ")[0] == "profile alpha"
    assert "reconcile run 3" in lease
    assert account.startswith("account dead")
    assert f"run {run}" in account
    assert account.endswith("over: the next run takes it")

    out = StringIO()
    call_command("locks", "--json", stdout=out)
    found = json.loads(out.getvalue())
    assert [each["profile"] for each in found["leases"]] == ["alpha"]
    assert [(each["run"], each["expired"]) for each in found["runs"]] == [(run, True)]
    assert found["runs"][0]["until"].endswith("Z")


def test_the_command_says_that_nothing_is_held() -> None:
    out = StringIO()
    call_command("locks", stdout=out)
    assert out.getvalue() == "No lock is held and no run is under way.\n"
