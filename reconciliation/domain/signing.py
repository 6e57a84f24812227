"""Ed25519: signatures that whoever holds the public key alone can check.

What is signed is the very text that is kept, canonical JSON whose `kind` says what it is: a
checkpoint can never pass for a manifest. A key is named by its id, the first 16 hex digits of
SHA-256 over its 32 public bytes; so a rotated key is found again among the old ones.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_ID_LENGTH = 16
SIGNATURE_LENGTH = 64


class UnusableKey(ValueError):
    """A text is not the key that it should be; the message says what it is not."""


class SignatureFault(StrEnum):
    """Why a signature proves nothing."""

    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown_key"
    ALTERED = "altered"


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key; `key_id` names the public one that checks it."""

    key: Ed25519PrivateKey

    @property
    def key_id(self) -> str:
        """Return the id of the key."""
        return key_id_of(self.key.public_key())

    def sign(self, body: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self.key.sign(body)

    def private_pem(self) -> bytes:
        """Return the key as PKCS#8 in PEM, not encrypted: its file is for its owner alone."""
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def public_pem(self) -> bytes:
        """Return the public key in PEM, as `openssl` reads it too."""
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )


PublicKeys = Mapping[str, Ed25519PublicKey]
"""Public keys by their ids."""


def key_id_of(key: Ed25519PublicKey) -> str:
    """Return the 16 hex digits by which a key is named."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:KEY_ID_LENGTH]


def signer_of(pem: bytes) -> Signer:
    """Return the private key of a PEM text; raises `UnusableKey`."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey("it is no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKey("it is a private key, but none of Ed25519")
    return Signer(key)


def public_key_of(pem: bytes) -> Ed25519PublicKey:
    """Return the public key of a PEM text; raises `UnusableKey`."""
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey("it is no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UnusableKey("it is a public key, but none of Ed25519")
    return key


def keys_by_id(keys: Iterable[Ed25519PublicKey]) -> dict[str, Ed25519PublicKey]:
    """Return public keys by their ids."""
    return {key_id_of(key): key for key in keys}


def check_signature(
    body: bytes, *, signature: bytes | None, key_id: str | None, keys: PublicKeys
) -> SignatureFault | None:
    """Return why a signature does not prove that this is what was signed; None where it does."""
    if signature is None or not key_id:
        return SignatureFault.UNSIGNED
    key = keys.get(key_id)
    if key is None:
        return SignatureFault.UNKNOWN_KEY
    try:
        key.verify(signature, body)
    except InvalidSignature:
        return SignatureFault.ALTERED
    return None
