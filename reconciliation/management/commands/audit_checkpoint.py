"""`manage.py audit_checkpoint`: sign the end of the audit chain, outside the database."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.core.management.base import CommandError

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.domain.audit import system_actor
from reconciliation.domain.signing import Signer
from reconciliation.handlers.checkpoints import CheckpointOutcome, write_checkpoint, write_key
from reconciliation.management.base import PortalCommand


class Command(PortalCommand):
    help = (
        "Sign the last event of the audit chain and write that to RECON_AUDIT_CHECKPOINT_DIR,"
        " unless the chain contradicts the checkpoint before. --generate-key makes the key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--generate-key",
            metavar="FILE",
            type=Path,
            help="make a new key: the private half in FILE, readable by its owner alone",
        )
        parser.add_argument(
            "--public-dir",
            metavar="DIR",
            type=Path,
            help="with --generate-key: where <key id>.pem goes, RECON_AUDIT_PUBLIC_KEYS_DIR"
            " or the folder of FILE unless given",
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make a key, for which no database is needed, or a checkpoint."""
        if options["generate_key"] is not None:
            self._make_key(**options)
        else:
            super().handle(*args, **options)

    def run(self, **options: Any) -> None:
        done = write_checkpoint(
            conf=conf.require(settings.RECON_ENVIRON),
            clock=SystemClock(),
            actor=system_actor("audit_checkpoint"),
        )
        if options["json"]:
            path = None if done.path is None else str(done.path)
            report = {"outcome": done.outcome, "says": done.says, "path": path}
            self.stdout.write(json.dumps(report))
        if done.outcome != CheckpointOutcome.WRITTEN:
            raise CommandError(done.says)
        if not options["json"]:
            self.stdout.write(done.says)

    def _make_key(self, **options: Any) -> None:
        private: Path = options["generate_key"]
        view = conf.require(settings.RECON_ENVIRON)
        folder = options["public_dir"] or view.audit_public_keys_dir or private.parent
        signer = Signer(Ed25519PrivateKey.generate())
        public = folder / f"{signer.key_id}.pem"
        try:
            write_key(signer, private=private, public=public)
        except FileExistsError as error:
            raise CommandError(
                f"{error.filename} exists: a key is never written over, since what it signed could"
                " not be checked any more; name another file"
            ) from error
        except OSError as error:
            raise CommandError(f"{error.filename} cannot be written: {error.strerror}") from error
        if options["json"]:
            made = {"key_id": signer.key_id, "private": str(private), "public": str(public)}
            self.stdout.write(json.dumps(made))
            return
        self.stdout.write(f"key {signer.key_id}\nprivate: {private}\npublic:  {public}")
        self.stdout.write(
            f"Set RECON_AUDIT_SIGNING_KEY_FILE={private.absolute()} and give the public file to"
            " whoever checks."
        )
