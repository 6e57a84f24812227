"""`manage.py audit_verify`: prove that nobody changed the audit trail, or say where it breaks."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from typing import Any

from django.db import Error

from reconciliation.clock import SystemClock
from reconciliation.domain.audit import AuditRow, ChainReport, system_actor, verify
from reconciliation.handlers.escalations import sync_audit_chain
from reconciliation.handlers.unit import BrokenChain
from reconciliation.management.base import PortalCommand
from reconciliation.selectors.audit import ChainReader

PROGRESS_EVERY = 100_000


class Command(PortalCommand):
    help = (
        "Check the audit chain from its first event to its head. Exit status: 0 intact, 1 broken."
    )

    # Whoever checks a copy of the database needs neither its secrets nor its settings.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def run(self, **options: Any) -> None:
        reader = ChainReader()
        report = verify(self._with_progress(reader.rows()), head=reader.head)
        self.stdout.write(as_json(report) if options["json"] else as_line(report))
        self._tell(report)
        if not report.intact:
            sys.exit(1)

    def _tell(self, report: ChainReport) -> None:
        """Open an escalation of a broken chain, resolve it when the chain is proven again."""
        try:
            sync_audit_chain(
                is_intact=report.intact,
                detail="" if report.intact else as_line(report),
                clock=SystemClock(),
                actor=system_actor("audit_verify"),
            )
        except (Error, BrokenChain) as error:
            # A copy that cannot be written is checked all the same; so is a chain without a head,
            # to which no event can be added.
            self.stderr.write(f"no escalation could be written: {error}")

    def _with_progress(self, rows: Iterable[AuditRow]) -> Iterator[AuditRow]:
        for read, row in enumerate(rows, start=1):
            yield row
            if read % PROGRESS_EVERY == 0:
                self.stderr.write(f"{read:,} events read")


def as_line(report: ChainReport) -> str:
    """Return the report as a person reads it."""
    if report.intact:
        events = "1 event" if report.count == 1 else f"{report.count} events"
        return f"intact: {events}, head {report.head}"
    return f"broken at sequence {report.broken_at}: {report.detail}"


def as_json(report: ChainReport) -> str:
    """Return the report as a script reads it; `events` counts the ones that are proven."""
    return json.dumps(
        {
            "intact": report.intact,
            "events": report.count,
            "head": report.head,
            "broken_at": report.broken_at,
            "fault": report.fault,
            "detail": report.detail,
        }
    )
