"""Read the keys of the audit trail from their files."""

import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from reconciliation.conf import Conf
from reconciliation.domain.signing import (
    PublicKeys,
    Signer,
    UnusableKey,
    keys_by_id,
    public_key_of,
    signer_of,
)

_Key = TypeVar("_Key")


def load_signer(conf: Conf) -> Signer | None:
    """Return the key that signs, None where none is set; raises `UnusableKey` with its path."""
    path = conf.audit_signing_key_file
    return None if path is None else _read(path, signer_of)


def load_public_keys(paths: Iterable[Path]) -> PublicKeys:
    """Return the public keys of some files, and of every *.pem in a folder among them.

    Raises `UnusableKey` with the path of what is no key, or that there is none at all.
    """
    files: list[Path] = []
    for path in paths:
        files += sorted(path.glob("*.pem")) if path.is_dir() else [path]
    if not files:
        raise UnusableKey("there is no public key (*.pem)")
    return keys_by_id(_read(path, public_key_of) for path in files)


def trusted_keys(conf: Conf) -> PublicKeys:
    """Return the keys by which checkpoints are believed: those of the folder, and the own one.

    Raises `UnusableKey`.
    """
    folder, signer = conf.audit_public_keys_dir, load_signer(conf)
    keys = {} if folder is None else dict(load_public_keys([folder]))
    return keys if signer is None else keys | {signer.key_id: signer.key.public_key()}


def others_may_read(path: Path) -> bool:
    """Return whether more than the owner may read a file."""
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _read(path: Path, parse: Callable[[bytes], _Key]) -> _Key:
    try:
        return parse(path.read_bytes())
    except OSError as error:
        raise UnusableKey(f"{path} cannot be read: {error.strerror}") from error
    except UnusableKey as error:
        raise UnusableKey(f"{path}: {error}") from error
