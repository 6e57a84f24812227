"""`reconcile` tells each reason once, and where to find it."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from reconciliation.management.runs import NAMES_SHOWN, not_read
from tests.builders import make_account

WRONG = 'AuthenticationError: okx {"code":"50105"}; check MAIN_PASSWORD'


def test_equal_reasons_are_told_once_whichever_endpoint_they_came_from() -> None:
    unread = {
        "open_orders.regular": f"okx GET trade/orders-pending: {WRONG}",
        "fills.swap": f"okx GET trade/fills-history: {WRONG}",
        "positions": "the cycle's time is used up",
    }

    assert list(not_read(unread)) == [
        f"not read: open_orders.regular, fills.swap: okx: {WRONG}",
        "not read: positions: the cycle's time is used up",
    ]


def test_a_reason_that_the_error_told_is_not_repeated() -> None:
    unread = {"positions": f"okx GET account/positions: {WRONG}"}
    error = f"nothing could be read: okx GET trade/orders-pending: {WRONG}"

    assert list(not_read(unread, error)) == ["not read: positions"]


def test_many_failed_look_ups_are_counted() -> None:
    unread = {f"look_up {number}": "okx GET trade/order: timeout" for number in range(50)}

    (line,) = not_read(unread)

    assert line.startswith("not read: look_up 0, look_up 1, ")
    assert line.endswith(f"and {50 - NAMES_SHOWN} more: okx: timeout")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("arguments", "where"), [([], "is above and"), (["--json"], "is its error in the JSON and")]
)
def test_a_failed_run_says_where_its_reason_is(arguments: list[str], where: str) -> None:
    make_account("main", credential_prefix="NO_SUCH")
    out = StringIO()

    with pytest.raises(CommandError, match=where):
        call_command("reconcile", *arguments, stdout=out, stderr=StringIO())

    assert "NO_SUCH_API_KEY is not set" in out.getvalue()
    if arguments:
        (run,) = json.loads(out.getvalue())["runs"]
        assert run["status"] == "FAILED"
