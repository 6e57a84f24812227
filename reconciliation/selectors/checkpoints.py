"""Find and read the checkpoints of the audit trail, which are files outside the database."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reconciliation.conf import Conf
from reconciliation.domain.checkpoints import (
    Checkpoint,
    CheckpointFault,
    Contradiction,
    NoCheckpoint,
    contradiction,
    file_name,
    named_moment,
    parse_checkpoint,
)
from reconciliation.domain.signing import PublicKeys
from reconciliation.selectors.audit import hash_at, load_head


class NoFolder(OSError):
    """The folder of checkpoints cannot be read; the message has its path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The chain beside a checkpoint: `contradiction` is None where it continues it.

    `checkpoint` is None where the file is none that can be believed.
    """

    path: Path
    checkpoint: Checkpoint | None
    contradiction: Contradiction | None

    @property
    def says(self) -> str:
        """Return what the comparison shows, in a sentence."""
        if self.contradiction is not None:
            return f"against the checkpoint {self.path.name}: {self.contradiction.says}"
        sequence = None if self.checkpoint is None else self.checkpoint.sequence
        return f"continues the checkpoint {self.path.name} (event {sequence})"


def newest_file(folder: Path) -> Path | None:
    """Return the file of the checkpoint that reaches furthest; raises `NoFolder`."""
    try:
        names = [entry.name for entry in os.scandir(folder) if named_moment(entry.name)]
    except OSError as error:
        raise NoFolder(f"{folder} cannot be read: {error.strerror}") from error
    return folder / max(names) if names else None


def last_checkpoint_at(conf: Conf) -> datetime | None:
    """Return when the newest checkpoint was made; None where there is none that can be seen."""
    if conf.audit_checkpoint_dir is None:
        return None
    try:
        newest = newest_file(conf.audit_checkpoint_dir)
    except NoFolder:
        return None
    return None if newest is None else named_moment(newest.name)


def compare_with(path: Path, *, keys: PublicKeys) -> Compared:
    """Compare the chain with the checkpoint of a file."""
    try:
        checkpoint = parse_checkpoint(path.read_text(encoding="utf-8"), keys=keys)
    except (OSError, UnicodeDecodeError) as error:
        found = Contradiction(fault=CheckpointFault.UNREADABLE, says=f"it cannot be read: {error}")
        return Compared(path=path, checkpoint=None, contradiction=found)
    except NoCheckpoint as error:
        found = Contradiction(fault=error.fault, says=str(error))
        return Compared(path=path, checkpoint=None, contradiction=found)
    if named_moment(path.name) is not None and path.name != file_name(checkpoint):
        # The name says which is the newest: an old one must not stand before those after it.
        says = f"its file was renamed: signed was {file_name(checkpoint)}"
        found = Contradiction(fault=CheckpointFault.ALTERED, says=says)
        return Compared(path=path, checkpoint=checkpoint, contradiction=found)
    against = contradiction(checkpoint, head=load_head(), hash_at=hash_at)
    return Compared(path=path, checkpoint=checkpoint, contradiction=against)
