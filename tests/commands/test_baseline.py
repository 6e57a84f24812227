"""`baseline` needs a moment, an account and a reason, and says the moment as a person reads it."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from reconciliation.models import ExchangeAccount
from tests.builders import make_account

pytestmark = pytest.mark.django_db


def say(*arguments: str) -> str:
    out = StringIO()
    call_command("baseline", "--account", "main", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def _main() -> None:
    make_account("main")


def test_a_baseline_is_told_in_utc() -> None:
    said = say("--comment", "moved in", "--at", "2026-01-05T13:00:00.5+01:00")

    assert said == (
        "main: orders and fills from before 2026-01-05 12:00:00 UTC are accepted as found.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--comment", ""], "--comment: it is empty"),
        (["--comment", "  "], "--comment: it is empty"),
        (["--comment", "x", "--at", "yesterday"], "--at: 'yesterday' is no time"),
        (["--comment", "x", "--at", "2026-01-05T12:00:00"], "no time with a zone"),
        (["--comment", "x", "--at", "2026-13-45T12:00:00Z"], "no time with a zone"),
        (["--comment", "x", "--at", "2999-01-01T00:00:00Z"], "2999-01-01 00:00:00 UTC is in the"),
    ],
)
def test_what_is_no_baseline_is_refused_by_the_argument(arguments: list[str], says: str) -> None:
    with pytest.raises(CommandError) as caught:
        say(*arguments)

    assert says in str(caught.value)
    assert caught.value.returncode == 2
    assert ExchangeAccount.objects.get().baseline_at is None
