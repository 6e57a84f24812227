"""How fast the trail is checked and exported: `python -m tests.benchmarks.audit --events 100000`.

Each line has the seconds, the events a second and the most memory that Python held while it ran
(by tracemalloc, in a second pass, which is slower). Memory must not grow with the events. The
numbers are for comparing two versions on one machine, not to pass or fail.
"""

import argparse
import os
import time
import tracemalloc
from collections.abc import Callable

from tests.benchmarks.cycle import _say, scratch_database

SIZES = (10_000, 100_000)
_A_UNIT = 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=list(SIZES))
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    for events in options.events:
        with scratch_database() as engine:
            _record(events)
            for name, work in (("verify", _verify), ("jsonl", _jsonl), ("csv", _csv)):
                _say(f"{engine} {events:>9,} events {name:>7}: {_measured(work, events)}")


def _measured(work: Callable[[], None], events: int) -> str:
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    tracemalloc.start()
    work()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return f"{seconds:7.2f} s {events / seconds:>10,.0f} a second {most / 2**20:6.1f} MiB"


def _record(events: int) -> None:
    from reconciliation.domain.audit import EventDraft, system_actor
    from reconciliation.handlers.unit import transaction_unit
    from tests.builders import FixedClock

    for start in range(0, events, _A_UNIT):
        with transaction_unit(actor=system_actor("benchmark"), clock=FixedClock()) as unit:
            for number in range(start, min(start + _A_UNIT, events)):
                unit.record(
                    EventDraft(
                        action="trade.synthetic_exit",
                        object_type="trade",
                        object_id=str(number),
                        before={"quantity": "0.5", "status": "OPEN"},
                        after={"quantity": "0", "status": "CLOSED"},
                        comment="confirmed flat three times in a row",
                    )
                )


def _verify() -> None:
    from reconciliation.domain.audit import verify
    from reconciliation.selectors.audit import ChainReader

    reader = ChainReader()
    report = verify(reader.rows(), head=reader.head)
    if not report.intact:
        raise SystemExit(report.detail)


def _jsonl() -> None:
    _export("jsonl")


def _csv() -> None:
    _export("csv")


def _export(form: str) -> None:
    from reconciliation import conf
    from reconciliation.domain.audit_filter import AuditFilter
    from reconciliation.enums import Right
    from reconciliation.handlers.audit_exports import Refused, export_events
    from tests.builders import FixedClock
    from tests.handlers.people import person

    export = export_events(
        asked=AuditFilter(),
        form=form,
        person=person("clara", Right.EXPORT),
        conf=conf.require({}),
        clock=FixedClock(),
    )
    if isinstance(export, Refused):
        raise SystemExit(export.says)
    for _ in export.chunks():
        pass


if __name__ == "__main__":
    main()
