"""A checkpoint: the end of the audit chain, signed and kept outside the database.

The chain alone shows a change of one event. Whoever owns the database could cut its tail and set
the head row back, write the whole of it anew, or restore an older copy: each gives a chain that
proves itself. A checkpoint shows it: the chain must still reach as far, and the event at its
sequence must still have its hash.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from reconciliation.domain.audit import GENESIS, ChainHead
from reconciliation.domain.keys import canonical_json, iso_utc
from reconciliation.domain.signing import (
    PublicKeys,
    SignatureFault,
    Signer,
    check_signature,
)

KIND = "reconciliation-audit-checkpoint"
VERSION = 1
CHECKPOINT_EVERY = timedelta(hours=1)
VERIFIED_EVERY = timedelta(days=1)
"""How often the whole chain is checked, and against its newest checkpoint."""
CHECKPOINT_LATE = 3 * CHECKPOINT_EVERY
PREFIX, SUFFIX = "checkpoint-", ".json"
_STAMP = "%Y%m%dT%H%M%S%fZ"


class CheckpointFault(StrEnum):
    """How a chain, or a checkpoint itself, is not what it should be."""

    UNREADABLE = "unreadable"
    UNKNOWN_KEY = "unknown_key"
    ALTERED = "altered"
    SHORTER = "shorter"
    REWRITTEN = "rewritten"
    HEAD_DIFFERS = "head_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """That the chain ended so at that moment (UTC); `key_id` names the key that says it."""

    sequence: int
    hash: str
    created_at: datetime
    key_id: str

    def body(self) -> bytes:
        """Return the canonical JSON: what is signed."""
        return canonical_json(
            {
                "kind": KIND,
                "version": VERSION,
                "sequence": self.sequence,
                "hash": self.hash,
                "created_at": self.created_at,
                "key_id": self.key_id,
            }
        ).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """What a checkpoint shows; `says` tells it in a sentence, without the checkpoint's name."""

    fault: CheckpointFault
    says: str


class NoCheckpoint(ValueError):
    """A text is no checkpoint that can be believed; `fault` says in what way."""

    def __init__(self, fault: CheckpointFault, says: str) -> None:
        self.fault = fault
        super().__init__(says)


def file_name(checkpoint: Checkpoint) -> str:
    """Return a name that no other checkpoint has and that sorts by sequence, then time."""
    stamp = checkpoint.created_at.astimezone(UTC).strftime(_STAMP)
    return f"{PREFIX}{checkpoint.sequence:012d}-{stamp}{SUFFIX}"


def named_moment(name: str) -> datetime | None:
    """Return when a checkpoint was made by the name of its file; None for another file's name."""
    parts = name.removeprefix(PREFIX).removesuffix(SUFFIX).split("-")
    if not name.startswith(PREFIX) or not name.endswith(SUFFIX) or len(parts) != 2:
        return None
    try:
        return datetime.strptime(parts[1], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def sign_checkpoint(head: ChainHead, *, now: datetime, signer: Signer) -> tuple[Checkpoint, str]:
    """Return a checkpoint of the chain's end, and the text of its file."""
    checkpoint = Checkpoint(
        sequence=head.sequence, hash=head.hash, created_at=now, key_id=signer.key_id
    )
    body = checkpoint.body()
    said = {"checkpoint": json.loads(body), "signature": signer.sign(body).hex()}
    return checkpoint, json.dumps(said, indent=2, sort_keys=True) + "\n"


def parse_checkpoint(text: str, *, keys: PublicKeys) -> Checkpoint:
    """Return the checkpoint of a file; raises `NoCheckpoint` where a key does not prove it."""
    try:
        document: dict[str, Any] = json.loads(text)
        said = document["checkpoint"]
        signature = bytes.fromhex(document["signature"])
        checkpoint = Checkpoint(
            sequence=int(said["sequence"]),
            hash=str(said["hash"]),
            created_at=datetime.fromisoformat(said["created_at"]).astimezone(UTC),
            key_id=str(said["key_id"]),
        )
        body = canonical_json(said).encode()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise NoCheckpoint(CheckpointFault.UNREADABLE, "it is no checkpoint") from error
    # Of what else it may say nothing was signed.
    if body != checkpoint.body():
        raise NoCheckpoint(CheckpointFault.ALTERED, "it is not what was signed")
    fault = check_signature(body, signature=signature, key_id=checkpoint.key_id, keys=keys)
    if fault == SignatureFault.UNKNOWN_KEY:
        known = ", ".join(sorted(keys)) or "none"
        says = f"it is signed by the key {checkpoint.key_id}, which is none of those given: {known}"
        raise NoCheckpoint(CheckpointFault.UNKNOWN_KEY, says)
    if fault is not None:
        says = "it, or its signature, was changed after it was signed"
        raise NoCheckpoint(CheckpointFault.ALTERED, says)
    return checkpoint


def contradiction(
    checkpoint: Checkpoint, *, head: ChainHead | None, hash_at: Callable[[int], str | None]
) -> Contradiction | None:
    """Return how a chain contradicts a checkpoint; None where it continues what was signed.

    `hash_at` gives the hash of the event of a sequence, None where there is none.
    """
    moment = iso_utc(checkpoint.created_at)
    ends = 0 if head is None else head.sequence
    if ends < checkpoint.sequence:
        return Contradiction(
            fault=CheckpointFault.SHORTER,
            says=(
                f"shorter than it was: the chain ends at {ends}, at {moment} it ended at"
                f" {checkpoint.sequence}: its tail was cut off, or an older backup was restored"
            ),
        )
    there = GENESIS if checkpoint.sequence == 0 else hash_at(checkpoint.sequence)
    if there is None:
        return Contradiction(
            fault=CheckpointFault.SHORTER,
            says=f"event {checkpoint.sequence}, which was signed at {moment}, is gone",
        )
    if there != checkpoint.hash:
        return Contradiction(
            fault=CheckpointFault.REWRITTEN,
            says=(
                f"rewritten: event {checkpoint.sequence} is not the one that was signed at"
                f" {moment}: the chain was written anew, or goes on from an older backup"
            ),
        )
    return None


def loose_head(
    head: ChainHead | None, *, hash_at: Callable[[int], str | None]
) -> Contradiction | None:
    """Return how the head row does not name the last event; None where it does."""
    if head is None:
        says = "the head row is gone"
    else:
        there = GENESIS if head.sequence == 0 else hash_at(head.sequence)
        if there == head.hash:
            return None
        says = f"the head row names {head.sequence}, and there is no such event with its hash"
    return Contradiction(fault=CheckpointFault.HEAD_DIFFERS, says=says)
