"""The text of an API key: what may be seen of it, and what proves it.

`recon_`, twelve hex digits by which the key is known, `_`, and the secret. Only the SHA-256 of
the secret is kept; it is long and random, so it needs no salt and no slow hash.
"""

import hashlib
import hmac
import re
from datetime import datetime
from enum import StrEnum

PUBLIC_ID_BYTES = 6
SECRET_BYTES = 32
_KEY = re.compile(
    rf"recon_([0-9a-f]{{{2 * PUBLIC_ID_BYTES}}})_([0-9a-f]{{{2 * SECRET_BYTES}}})", re.ASCII
)


class KeyState(StrEnum):
    """Whether a key opens anything, and why it does not."""

    ACTIVE = "active"
    EXPIRED = "expired"
    REVOKED = "revoked"


def key_text(public_id: str, secret: str) -> str:
    """Return a key as the bot is given it."""
    return f"recon_{public_id}_{secret}"


def split_key(text: str) -> tuple[str, str] | None:
    """Return public id and secret of a key, or None for what cannot be one."""
    found = _KEY.fullmatch(text)
    return None if found is None else (found[1], found[2])


def digest_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret(secret: str, digest: str) -> bool:
    """Return whether a secret is the one of a digest, in a time that tells nothing of it."""
    return hmac.compare_digest(digest_of(secret), digest)


def key_state(*, expires_at: datetime, revoked_at: datetime | None, now: datetime) -> KeyState:
    """Return the state of a key; at the moment that it expires it has expired."""
    if revoked_at is not None:
        return KeyState.REVOKED
    return KeyState.EXPIRED if now >= expires_at else KeyState.ACTIVE
