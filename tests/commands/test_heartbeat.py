"""`manage.py heartbeat`: runs, reports, and says when it is off."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.enums import Coverage, ParityKind, RunKind, RunStatus
from reconciliation.management.commands import heartbeat
from reconciliation.models import Run
from tests.builders import make_account, make_parity_reading, make_run

pytestmark = pytest.mark.django_db(transaction=True)


def called(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("heartbeat", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_without_an_account_there_is_nothing_to_run() -> None:
    assert called("--json")[0] == '{"runs": []}\n'


def test_an_unknown_account_is_named_and_nothing_runs() -> None:
    make_account("main")

    with pytest.raises(CommandError, match="nowhere") as raised:
        called("--account", "nowhere")

    assert raised.value.returncode == 2
    assert Run.objects.count() == 0


def test_a_disabled_heartbeat_says_so_and_runs_nothing(settings: Any) -> None:
    make_account("main")
    settings.RECON_ENVIRON = {
        **settings.RECON_ENVIRON,
        "ENABLE_RECON_POSITION_PARITY_HEARTBEAT": "false",
    }

    out, err = called("--json")

    assert json.loads(out) == {"runs": []}
    assert "ENABLE_RECON_POSITION_PARITY_HEARTBEAT=false" in err
    assert Run.objects.count() == 0


def test_an_account_that_cannot_be_asked_fails_the_command_with_its_reason() -> None:
    make_account("main", credential_prefix="NO_SUCH")
    out = StringIO()

    with pytest.raises(CommandError, match="is its error in the JSON"):
        call_command("heartbeat", "--json", stdout=out, stderr=StringIO())

    (run,) = json.loads(out.getvalue())["runs"]
    assert (run["status"], run["account"]) == ("FAILED", "main")
    assert "NO_SUCH_API_KEY is not set" in run["error"]


def test_a_dry_run_tells_slice_by_slice_what_would_have_happened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = make_run(make_account("main"), kind=RunKind.HEARTBEAT)
    make_parity_reading(
        run,
        kind=ParityKind.GHOST_POSITION,
        streak=3,
        virtual_quantity="0.5",
        actual_quantity="0",
        mark=None,
        dry_run=True,
        outcome="dry run, would be: T1: put before a person, NO_MARK",
    )
    outcome = RunOutcome(
        account="main",
        kind=RunKind.HEARTBEAT,
        status=RunStatus.SUCCEEDED,
        coverage=Coverage.COMPLETE,
        run_id=run.pk,
        error="",
        counts={},
        unread={},
        row_errors=(),
    )
    monkeypatch.setattr(heartbeat, "heartbeat_accounts", lambda **_: (outcome,))

    words, _ = called()
    (told,) = json.loads(called("--json")[0])["runs"][0]["positions"]

    assert "GHOST_POSITION, seen 3 times in a row; slices 0.5, exchange 0, mark unknown" in words
    assert "dry run, would be: T1: put before a person, NO_MARK" in words
    assert (told["dry_run"], told["mark"], told["slices"]) == (True, None, "0.5")
