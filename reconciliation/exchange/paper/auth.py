"""Signed requests: key, passphrase, signature and the 30-second window.

The signature is HMAC-SHA256, base64, over timestamp + method + request path with query. The
window is judged on the wall clock, whatever the clock of the data says: the client signs with its
own wall clock, and a drill's clock stands still.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from reconciliation.exchange.paper.answers import OkxError

WINDOW_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client must know to read an account; the secrets are kept out of `repr`."""

    api_key: str
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


def sign(secret: str, timestamp: str, method: str, request_path: str) -> str:
    """Return the signature of a request without a body."""
    message = f"{timestamp}{method}{request_path}".encode()
    return base64.b64encode(hmac.new(secret.encode(), message, hashlib.sha256).digest()).decode()


def find_fault(
    credentials: Credentials,
    headers: Mapping[str, str],
    *,
    method: str,
    request_path: str,
    wall_seconds: float,
) -> OkxError | None:
    """Return why a signed request is refused, or None; the timestamp is judged before the key."""
    for header, code in (
        ("OK-ACCESS-KEY", "50103"),
        ("OK-ACCESS-PASSPHRASE", "50104"),
        ("OK-ACCESS-SIGN", "50106"),
        ("OK-ACCESS-TIMESTAMP", "50107"),
    ):
        if not headers.get(header):
            return _refusal(code, f"Request header {header} can not be empty.")
    timestamp = headers["OK-ACCESS-TIMESTAMP"]
    signed_at = _parse_timestamp(timestamp)
    if signed_at is None:
        return _refusal("50112", "Invalid OK-ACCESS-TIMESTAMP")
    if abs(wall_seconds - signed_at) > WINDOW_SECONDS:
        return timestamp_expired()
    if headers["OK-ACCESS-KEY"] != credentials.api_key:
        return invalid_key()
    if not _same(headers["OK-ACCESS-PASSPHRASE"], credentials.passphrase):
        return _refusal("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.")
    expected = sign(credentials.secret, timestamp, method, request_path)
    if not _same(headers["OK-ACCESS-SIGN"], expected):
        return _refusal("50113", "Invalid Sign")
    return None


def timestamp_expired() -> OkxError:
    return _refusal("50102", "Timestamp request expired")


def invalid_key() -> OkxError:
    return _refusal("50111", "Invalid OK-ACCESS-KEY")


def _refusal(code: str, message: str) -> OkxError:
    return OkxError(code, message, 401)


def _parse_timestamp(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.timestamp()


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
