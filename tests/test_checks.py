"""The portal does not start without what has no default, nor with a setting it cannot use."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from reconciliation.checks import (
    INVALID_SETTING,
    MISSING_ALLOWED_HOSTS,
    MISSING_SECRET_KEY,
    NO_CHECKPOINTS,
    PRIVATE_KEY_IS_READABLE,
    UNUSABLE_AUDIT_KEY,
    WEAK_INTERNAL_API_TOKEN,
    check_audit_keys,
    check_checkpoints,
    check_internal_api_token,
    check_secrets,
    check_settings,
)
from tests.signing import make_key

ROOT = Path(__file__).parents[1]
GOOD: dict[str, Any] = {
    "SECRET_KEY": "a secret",
    "DEBUG": False,
    "ALLOWED_HOSTS": ["recon.example"],
}


def found(**values: Any) -> list[CheckMessage]:
    with override_settings(**{**GOOD, **values}):
        return check_secrets()


def test_the_ids_are_what_documents_and_alerts_name():
    assert (
        MISSING_SECRET_KEY,
        MISSING_ALLOWED_HOSTS,
        INVALID_SETTING,
        WEAK_INTERNAL_API_TOKEN,
    ) == ("recon.E001", "recon.E002", "recon.E003", "recon.E004")


def test_with_both_set_there_is_nothing_to_say():
    assert found() == []


def test_without_a_secret_key_it_does_not_start_and_says_how_to_make_one():
    (error,) = found(SECRET_KEY="")
    assert (error.id, error.level) == (MISSING_SECRET_KEY, checks.ERROR)
    assert "SECRET_KEY" in error.msg
    assert "secrets.token_urlsafe" in error.hint


def test_without_allowed_hosts_it_does_not_start_and_shows_an_example():
    (error,) = found(ALLOWED_HOSTS=[])
    assert (error.id, error.level) == (MISSING_ALLOWED_HOSTS, checks.ERROR)
    assert "ALLOWED_HOSTS=" in error.hint


def test_a_server_of_a_developer_needs_no_hosts():
    assert found(DEBUG=True, ALLOWED_HOSTS=[]) == []


def test_both_faults_are_found_at_once():
    errors = found(SECRET_KEY="", ALLOWED_HOSTS=[])
    assert [error.id for error in errors] == [MISSING_SECRET_KEY, MISSING_ALLOWED_HOSTS]


def test_every_setting_that_cannot_be_used_is_an_error_with_a_way_out():
    environ = {"RECON_LOCK_TTL_MS": "soon", "RECON_LOKC_TTL_MS": "1"}
    with override_settings(RECON_ENVIRON=environ):
        errors = check_settings()
    assert {error.id for error in errors} == {INVALID_SETTING}
    said = {error.msg.partition(":")[0]: error.hint for error in errors}
    assert said == {
        "RECON_LOCK_TTL_MS": "for example RECON_LOCK_TTL_MS=15000",
        "RECON_LOKC_TTL_MS": "did you mean RECON_LOCK_TTL_MS?",
    }


def test_settings_that_can_be_used_are_no_errors():
    with override_settings(RECON_ENVIRON={}):
        assert check_settings() == []


@pytest.mark.parametrize("token", ["", "sixteen-letters-", "x" * 64])
def test_a_token_of_monitoring_is_long_or_there_is_none(token: str):
    with override_settings(INTERNAL_API_TOKEN=token):
        assert check_internal_api_token() == []


@pytest.mark.parametrize(
    ("token", "fault"),
    [
        ("fifteen-letters", "shorter than 16"),
        ("sixteen letters-", "no header carries"),
        ("sechzehn-zeichen-ü", "no header carries"),
        ("sixteen-\x00letters", "no header carries"),
    ],
)
def test_a_token_that_is_guessed_or_cannot_be_shown_is_an_error_with_a_way_out(token, fault):
    with override_settings(INTERNAL_API_TOKEN=token):
        (error,) = check_internal_api_token()
    assert error.id == WEAK_INTERNAL_API_TOKEN
    assert fault in error.msg
    assert token not in error.msg
    assert "secrets.token_urlsafe" in error.hint


def test_the_checks_are_among_those_that_django_runs():
    with override_settings(RECON_ENVIRON={"RECON_LOCK_TTL_MS": "soon"}):
        assert INVALID_SETTING in [message.id for message in checks.run_checks()]
    with override_settings(**{**GOOD, "ALLOWED_HOSTS": []}):
        assert MISSING_ALLOWED_HOSTS in [message.id for message in checks.run_checks()]
    with override_settings(INTERNAL_API_TOKEN="short"):
        assert WEAK_INTERNAL_API_TOKEN in [message.id for message in checks.run_checks()]


def test_a_command_does_not_run_with_a_setting_that_cannot_be_used():
    with (
        override_settings(RECON_ENVIRON={"RECON_LOCK_TTL_MS": "soon"}),
        pytest.raises(SystemCheckError, match="RECON_LOCK_TTL_MS"),
    ):
        call_command("reconcile", skip_checks=False)


def test_a_process_without_a_secret_says_so_in_a_line_and_no_traceback():
    environ = {"PATH": os.environ["PATH"], "ENV_FILE": os.devnull, "ALLOWED_HOSTS": "x"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert MISSING_SECRET_KEY in done.stderr
    assert "Traceback" not in done.stderr


def test_that_nothing_is_signed_is_a_warning_and_no_refusal(tmp_path: Path):
    with override_settings(RECON_ENVIRON={}):
        (warning,) = check_checkpoints()
        assert (warning.id, warning.level) == (NO_CHECKPOINTS, checks.WARNING)
        assert "RECON_AUDIT_CHECKPOINT_DIR and RECON_AUDIT_SIGNING_KEY_FILE" in warning.msg
        assert check_audit_keys() == []
    with override_settings(RECON_ENVIRON={"RECON_AUDIT_CHECKPOINT_DIR": str(tmp_path)}):
        assert "RECON_AUDIT_CHECKPOINT_DIR" not in check_checkpoints()[0].msg


def test_a_key_that_cannot_be_used_or_that_others_may_read_is_a_warning(tmp_path: Path):
    private, _ = make_key(tmp_path)
    with override_settings(RECON_ENVIRON={"RECON_AUDIT_SIGNING_KEY_FILE": str(private)}):
        assert check_audit_keys() == []
        private.chmod(0o640)
        assert [each.id for each in check_audit_keys()] == [PRIVATE_KEY_IS_READABLE]
        private.write_text("no key")
        assert [each.id for each in check_audit_keys()] == [UNUSABLE_AUDIT_KEY]
