"""Sign the end of the audit chain and keep it outside the database."""

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import Actor
from reconciliation.domain.checkpoints import file_name, loose_head, sign_checkpoint
from reconciliation.domain.signing import Signer, UnusableKey
from reconciliation.handlers.escalations import ChainProof, sync_audit_chain
from reconciliation.selectors.audit import hash_at, load_head
from reconciliation.selectors.checkpoints import NoFolder, compare_with, newest_file
from reconciliation.selectors.signing_keys import load_signer, trusted_keys


class CheckpointOutcome(StrEnum):
    """What became of a checkpoint."""

    WRITTEN = "written"
    OFF = "off"
    UNUSABLE = "unusable"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointReport:
    """What became of a checkpoint, in a sentence; `path` is its file where it was written."""

    outcome: CheckpointOutcome
    says: str
    path: Path | None = None


def write_checkpoint(*, conf: Conf, clock: Clock, actor: Actor) -> CheckpointReport:
    """Sign the chain's end, unless it contradicts the checkpoint before: then a person is told.

    Nothing is written where the settings name no folder or no key, nor where they cannot be used.
    """
    folder = conf.audit_checkpoint_dir
    try:
        signer = load_signer(conf)
        if folder is None or signer is None:
            unset = (
                "RECON_AUDIT_CHECKPOINT_DIR" if folder is None else "RECON_AUDIT_SIGNING_KEY_FILE"
            )
            return CheckpointReport(
                outcome=CheckpointOutcome.OFF, says=f"checkpoints are off: {unset} is not set"
            )
        before = newest_file(folder)
        keys = trusted_keys(conf)
    except (UnusableKey, NoFolder) as error:
        return CheckpointReport(outcome=CheckpointOutcome.UNUSABLE, says=str(error))
    if before is not None:
        compared = compare_with(before, keys=keys)
        if compared.contradiction is not None:
            return _broken(compared.says, clock=clock, actor=actor)
    head = load_head()
    loose = loose_head(head, hash_at=hash_at)
    if loose is not None or head is None:
        return _broken("" if loose is None else loose.says, clock=clock, actor=actor)
    checkpoint, text = sign_checkpoint(head, now=clock.now(), signer=signer)
    path = folder / file_name(checkpoint)
    try:
        _write(path, text)
    except OSError as error:
        says = f"{path} cannot be written: {error.strerror}"
        return CheckpointReport(outcome=CheckpointOutcome.UNUSABLE, says=says)
    sync_audit_chain(
        is_intact=True, detail="", clock=clock, actor=actor, proof=ChainProof.CHECKPOINT
    )
    return CheckpointReport(
        outcome=CheckpointOutcome.WRITTEN,
        says=f"event {head.sequence} is signed by the key {signer.key_id}: {path}",
        path=path,
    )


def write_key(signer: Signer, *, private: Path, public: Path) -> None:
    """Write both halves of a key to new files, the private one for its owner alone.

    Raises FileExistsError rather than write over a key: what it signed could not be checked again.
    """
    for path, text, mode in (
        (private, signer.private_pem(), 0o600),
        (public, signer.public_pem(), 0o644),
    ):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _broken(says: str, *, clock: Clock, actor: Actor) -> CheckpointReport:
    sync_audit_chain(
        is_intact=False, detail=says, clock=clock, actor=actor, proof=ChainProof.CHECKPOINT
    )
    return CheckpointReport(outcome=CheckpointOutcome.BROKEN, says=f"no checkpoint: {says}")


def _write(path: Path, text: str) -> None:
    """Write a file that is whole or not there, also after the power failed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
    finally:
        beside.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
