"""Deterministic identifiers: of client orders, of history rows, of evidence.

A bot in any language can build a client order id: see docs/client-order-ids.md for the recipe and
test vectors. The same inputs give the same id for ever, so an event that is replayed finds the
row it wrote before.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from reconciliation.domain.amounts import plain
from reconciliation.enums import Purpose

_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_PREFIX = "rc"
_PROFILE_LENGTH, _TRADE_LENGTH, _SEQUENCE_LENGTH, _CHECK_LENGTH = 7, 14, 3, 5
_PURPOSE_LETTERS = {Purpose.ENTRY: "e", Purpose.EXIT: "x"}
_LETTER_PURPOSES = {letter: purpose for purpose, letter in _PURPOSE_LETTERS.items()}
CLIENT_ORDER_ID_LENGTH = 32
DELIVERED_PREFIX = "delivered:"
"""How the keys of history rows begin that the trading system delivered."""
MAX_SEQUENCE = len(_ALPHABET) ** _SEQUENCE_LENGTH - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOrderId:
    """What a deterministic client order id says: whose, for what, of which trade, which one."""

    profile_code: str
    purpose: Purpose
    trade_code: str
    sequence: int


@lru_cache(maxsize=1024)  # the same few profiles are named by every order of every cycle
def profile_code(sub_tag: str) -> str:
    """Return the seven characters by which a client order id names its profile."""
    return _digest_code(["profile", sub_tag], _PROFILE_LENGTH)


def trade_code(sub_tag: str, trade_id: str) -> str:
    """Return the fourteen characters by which a client order id names its trade."""
    return _digest_code(["trade", sub_tag, trade_id], _TRADE_LENGTH)


def client_order_id(*, sub_tag: str, trade_id: str, purpose: Purpose, sequence: int = 1) -> str:
    """Return the 32 lower-case letters and digits that name an order of a trade.

    Layout: `rc`, profile code (7), `e` or `x` for ENTRY or EXIT, trade code (14), sequence in
    base 36 (3), check (5). Raises ValueError for a sequence outside 1…46655.
    """
    if not 1 <= sequence <= MAX_SEQUENCE:
        raise ValueError(f"sequence {sequence} is outside 1…{MAX_SEQUENCE}")
    body = (
        _PREFIX
        + profile_code(sub_tag)
        + _PURPOSE_LETTERS[purpose]
        + trade_code(sub_tag, trade_id)
        + _base36(sequence, _SEQUENCE_LENGTH)
    )
    return body + _digest_code(["check", body], _CHECK_LENGTH)


@lru_cache(maxsize=8192)
def parse_client_order_id(text: str | None) -> ClientOrderId | None:
    """Return what a deterministic client order id says, or None where the text is not one."""
    if text is None or len(text) != CLIENT_ORDER_ID_LENGTH or not text.startswith(_PREFIX):
        return None
    body, check = text[:-_CHECK_LENGTH], text[-_CHECK_LENGTH:]
    if _digest_code(["check", body], _CHECK_LENGTH) != check:
        return None
    at = len(_PREFIX)
    profile, at = body[at : at + _PROFILE_LENGTH], at + _PROFILE_LENGTH
    purpose, at = _LETTER_PURPOSES.get(body[at]), at + 1
    trade, at = body[at : at + _TRADE_LENGTH], at + _TRADE_LENGTH
    if purpose is None:
        return None
    return ClientOrderId(
        profile_code=profile,
        purpose=purpose,
        trade_code=trade,
        sequence=int(body[at:], len(_ALPHABET)),
    )


def history_key(*, trade_id: int, kind: str, evidence: str, reversals: int) -> str:
    """Return the id of a row that the portal books: the same event replayed finds its row.

    `reversals` is the number of reversals of the trade so far, so that a fill freed by a person
    can be booked again.
    """
    return _hash(["history", trade_id, kind, evidence, reversals])[:40]


def fill_evidence(*, symbol: str, side: str, fill_id: str) -> str:
    """Return the name of a fill within its account, as history keys and audit events use it."""
    return f"fill:{symbol}:{side}:{fill_id}"


def evidence_hash(evidence: object) -> str:
    """Return the SHA-256 of evidence in canonical JSON, half surrogate pairs in it escaped."""
    text = canonical_json(evidence).encode("utf-8", "backslashreplace")
    return hashlib.sha256(text).hexdigest()


def canonical_json(value: object) -> str:
    """Return the one text of a value: sorted keys, no spaces, decimals as plain strings, UTC."""
    return json.dumps(
        _canonical(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )


def _canonical(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, datetime):
        return iso_utc(value)
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, str | int | bool) or value is None:
        # TextChoices are strings by inheritance; their plain text is what is written.
        return str(value) if isinstance(value, str) else value
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        items = [_canonical(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    raise TypeError(f"a {type(value).__name__} has no canonical form (a float never has)")


def iso_utc(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC with microseconds and a Z. Naive moments are refused."""
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError(f"{moment!r} has no time zone")
    return (moment - offset).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _hash(parts: object) -> str:
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()


def _digest_code(parts: object, length: int) -> str:
    digest = int.from_bytes(hashlib.sha256(canonical_json(parts).encode()).digest(), "big")
    return _base36(digest % len(_ALPHABET) ** length, length)


def _base36(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
