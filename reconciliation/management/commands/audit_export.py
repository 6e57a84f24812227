"""`manage.py audit_export`: take events out of the audit trail, signed."""

import json
import os
from argparse import ArgumentParser
from dataclasses import fields
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.domain.audit_export import ExportForm
from reconciliation.domain.audit_filter import AuditFilter, parse_filter
from reconciliation.domain.people import Person
from reconciliation.enums import Right
from reconciliation.handlers.audit_exports import Refused, export_events
from reconciliation.management.base import PortalCommand, shell_actor

_HELP = {
    "actor": "the whole name of who acted",
    "action": "an action, or the beginning of some: trade.*",
    "outcome": "applied, refused, denied or failed",
    "object_type": "the kind of object, for example trade",
    "object_id": "the object's id",
    "profile": "the name of a profile",
    "account": "the name of an account",
    "run": "the number of a run",
    "since": "the first moment that belongs to it, UTC: 2026-01-05 or 2026-01-05T12:00:00Z",
    "until": "the first moment that does not",
}


class Command(PortalCommand):
    help = (
        "Write events of the audit trail, oldest first, to a ZIP with a signed manifest. All"
        " conditions given must hold; without any, every event is written."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for each in fields(AuditFilter):
            parser.add_argument(
                f"--{each.name.replace('_', '-')}", default="", help=_HELP[each.name]
            )
        parser.add_argument("--format", choices=[*ExportForm], default=ExportForm.JSONL.value)
        parser.add_argument("--out", type=Path, required=True, help="the folder to write it to")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def run(self, **options: Any) -> None:
        asked, faults = parse_filter(
            {each.name: options[each.name] for each in fields(AuditFilter)}
        )
        if faults:
            said = [f"--{name.replace('_', '-')}: {fault}" for name, fault in faults.items()]
            raise CommandError("; ".join(said), returncode=2)
        folder: Path = options["out"]
        if not folder.is_dir():
            raise CommandError(f"--out: there is no folder {folder}", returncode=2)
        export = export_events(
            asked=asked,
            form=options["format"],
            # Who has the shell has the database: there is no right to ask for.
            person=Person(actor=shell_actor(), rights=frozenset({Right.EXPORT})),
            conf=conf.require(settings.RECON_ENVIRON),
            clock=SystemClock(),
        )
        if isinstance(export, Refused):
            raise CommandError(export.says)
        path = folder / export.filename
        try:
            self._write(path, export.chunks())
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}") from error
        if not export.is_signed:
            self.stderr.write(
                "UNSIGNED: RECON_AUDIT_SIGNING_KEY_FILE is not set; this export proves nothing"
            )
        if options["json"]:
            report = {"path": str(path), "events": export.count, "signed": export.is_signed}
            self.stdout.write(json.dumps(report))
        else:
            events = "1 event" if export.count == 1 else f"{export.count} events"
            self.stdout.write(f"{events}: {path}")

    def _write(self, path: Path, chunks: Any) -> None:
        """Write a file that has its name only when it is whole; an older one is kept."""
        beside = path.with_name(f".{path.name}.part")
        try:
            # An export is for whoever asked for it.
            with os.fdopen(
                os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as to:
                to.writelines(chunks)
                to.flush()
                os.fsync(to.fileno())
            os.link(beside, path)
        finally:
            beside.unlink(missing_ok=True)
