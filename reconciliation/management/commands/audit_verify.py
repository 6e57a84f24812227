"""`manage.py audit_verify`: prove that nobody changed the audit trail, or say where it breaks."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import Error

from reconciliation.clock import SystemClock
from reconciliation.domain.audit import AuditRow, system_actor, verify
from reconciliation.domain.audit_reports import as_data, as_line
from reconciliation.domain.signing import PublicKeys, UnusableKey
from reconciliation.handlers.escalations import ChainProof, sync_audit_chain
from reconciliation.handlers.unit import BrokenChain
from reconciliation.management.base import PortalCommand
from reconciliation.selectors.audit import ChainReader
from reconciliation.selectors.checkpoints import NoFolder, compare_with, newest_file
from reconciliation.selectors.export_files import check_export
from reconciliation.selectors.signing_keys import load_public_keys

PROGRESS_EVERY = 100_000


class Command(PortalCommand):
    help = (
        "Check the audit chain from its first event to its head, or an export of it. Exit status:"
        " 0 intact, 1 broken, 2 the question was wrong."
    )

    # Whoever checks a copy of the database needs neither its secrets nor its settings.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoint",
            metavar="FILE",
            type=Path,
            help="compare with this checkpoint too, or with the newest one of a folder",
        )
        parser.add_argument(
            "--export",
            metavar="FILE",
            type=Path,
            help="check this export instead: the ZIP, or the folder with its files; no database",
        )
        parser.add_argument(
            "--public-key",
            metavar="FILE",
            type=Path,
            action="append",
            help="the key that signed, or a folder of keys (*.pem); may be given several times."
            " RECON_AUDIT_PUBLIC_KEYS_DIR unless given",
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check an export, for which there need be no database, or the chain."""
        if options["export"] is not None:
            self._check_export(options["export"], self._keys(options), as_json=options["json"])
        else:
            super().handle(*args, **options)

    def run(self, **options: Any) -> None:
        path = self._checkpoint(options["checkpoint"])
        keys = {} if path is None else self._keys(options)
        reader = ChainReader()
        report = verify(self._with_progress(reader.rows()), head=reader.head)
        compared = None if path is None else compare_with(path, keys=keys)
        if options["json"]:
            said = as_data(report)
            if compared is not None:
                found = compared.contradiction
                said["checkpoint"] = {
                    "file": str(compared.path),
                    "agrees": found is None,
                    "fault": None if found is None else found.fault,
                    "detail": compared.says,
                }
            self.stdout.write(json.dumps(said))
        else:
            self.stdout.write(as_line(report))
            if compared is not None:
                self.stdout.write(compared.says)
        self._tell(report.intact, as_line(report))
        if compared is not None and compared.contradiction is not None:
            # That it agrees with a checkpoint that somebody chose ends nothing: there is a newer.
            self._tell(False, compared.says, proof=ChainProof.CHECKPOINT)
            sys.exit(1)
        if not report.intact:
            sys.exit(1)

    def _checkpoint(self, given: Path | None) -> Path | None:
        if given is None or not given.is_dir():
            return given
        try:
            newest = newest_file(given)
        except NoFolder as error:
            raise CommandError(f"--checkpoint: {error}", returncode=2) from error
        if newest is None:
            raise CommandError(f"--checkpoint: there is none in {given}", returncode=2)
        return newest

    def _keys(self, options: dict[str, Any]) -> PublicKeys:
        """Return the public keys to believe; the settings are asked for nothing else."""
        named = settings.RECON_ENVIRON.get("RECON_AUDIT_PUBLIC_KEYS_DIR", "").strip()
        paths = options["public_key"] or ([Path(named)] if named else [])
        if not paths:
            raise CommandError(
                "--public-key: name the file of the key that signed, for example"
                " --public-key audit-public-keys/1f0c….pem",
                returncode=2,
            )
        try:
            return load_public_keys(paths)
        except UnusableKey as error:
            raise CommandError(f"--public-key: {error}", returncode=2) from error

    def _check_export(self, path: Path, keys: PublicKeys, *, as_json: bool) -> None:
        report = check_export(path, keys=keys)
        manifest = report.manifest
        if as_json:
            said = {
                "intact": report.fault is None,
                "fault": report.fault,
                "detail": report.says,
                "events": None if manifest is None else manifest.count,
                "chain_proven": report.chain_proven,
                "manifest": None if manifest is None else json.loads(manifest.as_bytes()),
            }
            self.stdout.write(json.dumps(said))
        elif report.fault is None and manifest is not None:
            asked = ", ".join(f"{name}={value}" for name, value in manifest.filter.items())
            self.stdout.write(f"intact: {report.says}")
            self.stdout.write(
                f"made by {manifest.actor} at {manifest.created_at}; asked for:"
                f" {asked or 'every event'}"
            )
        else:
            self.stdout.write(f"broken ({report.fault}): {report.says}")
        if report.fault is not None:
            sys.exit(1)

    def _tell(self, is_intact: bool, detail: str, *, proof: ChainProof = ChainProof.CHAIN) -> None:
        """Open an escalation of a broken chain, resolve it when the chain is proven again."""
        try:
            sync_audit_chain(
                is_intact=is_intact,
                detail="" if is_intact else detail,
                clock=SystemClock(),
                actor=system_actor("audit_verify"),
                proof=proof,
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
