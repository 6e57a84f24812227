"""Two writers of one position leave it the sum of its slices, whoever commits last."""

import threading

import pytest
from django.db import connection, connections, transaction

from reconciliation.enums import Direction, HistoryKind
from reconciliation.handlers.positions import recalculate_positions
from reconciliation.models import Trade
from tests.builders import NOW, SYMBOL, arranging, make_position, make_profile, make_trade
from tests.handlers.worlds import deliver_rows, history_row, the_position

pytestmark = pytest.mark.django_db(transaction=True)


def wait_for_a_blocked_writer() -> None:
    """Wait until another session waits for this one, which is what lets both be under way."""
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks"
                " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
            cursor.execute("SELECT pg_sleep(0.01)")
    pytest.fail("nobody waited: the other writer did not lock the position row")


@pytest.mark.parametrize("is_there", [True, False], ids=["known position", "new position"])
def test_a_delivery_that_comes_while_a_cycle_commits_loses_nothing(is_there):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    profile = make_profile()
    other = make_trade(trade_id="T0", entry_quantity="0.1")
    make_trade(trade_id="T1", entry_quantity="0.3")
    if is_there:
        make_position(quantity="0.4")

    def deliver() -> None:
        try:
            deliver_rows(history_row(quantity="0.2", kind=HistoryKind.EXIT))
        finally:
            connections.close_all()

    bot = threading.Thread(target=deliver)
    with arranging(), transaction.atomic():
        # A cycle, as far as it concerns positions: it has booked 0.5 and is about to commit.
        Trade.objects.filter(pk=other.pk).update(entry_quantity="0.6")
        recalculate_positions(profile_id=profile.pk, touched={(SYMBOL, Direction.LONG)}, now=NOW)
        bot.start()
        wait_for_a_blocked_writer()
    bot.join()
    assert str(the_position().quantity) == "0.7"
