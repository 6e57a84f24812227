"""Eight writers at once leave one chain, without a gap and without a fork."""

import threading

import pytest
from django.db import connection

from reconciliation.domain.audit import EventDraft, system_actor, verify
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import AuditEvent
from reconciliation.selectors.audit import ChainReader
from tests.builders import FixedClock

WRITERS, UNITS, EVENTS = 8, 6, 3


@pytest.mark.django_db(transaction=True)
def test_eight_writers_leave_one_intact_chain():
    together = threading.Barrier(WRITERS)
    faults: list[BaseException] = []

    def write(writer: int) -> None:
        try:
            together.wait()
            for _ in range(UNITS):
                with transaction_unit(
                    actor=system_actor(f"writer {writer}"), clock=FixedClock()
                ) as unit:
                    for event in range(EVENTS):
                        unit.record(EventDraft(action=f"write.{event}"))
        except BaseException as error:
            faults.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(each,)) for each in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not faults
    reader = ChainReader(chunk=7)
    report = verify(reader.rows(), head=reader.head)
    assert (report.intact, report.count) == (True, WRITERS * UNITS * EVENTS)
    # The events of a unit stand together: nobody comes between them.
    actions = list(AuditEvent.objects.order_by("sequence").values_list("actor_name", "action"))
    for at in range(0, len(actions), EVENTS):
        unit = actions[at : at + EVENTS]
        assert len({writer for writer, _ in unit}) == 1
        assert [action for _, action in unit] == [f"write.{event}" for event in range(EVENTS)]
