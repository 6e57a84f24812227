"""The text of an API key, and what is kept of it."""

from datetime import timedelta

import pytest

from reconciliation.domain.api_keys import (
    KeyState,
    digest_of,
    is_secret,
    key_state,
    key_text,
    split_key,
)
from tests.builders import NOW

ID, SECRET = "0123456789ab", "c0ffee00" * 8


def test_a_key_is_taken_apart_into_what_it_was_made_of():
    assert split_key(key_text(ID, SECRET)) == (ID, SECRET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "recon_",
        f"recon_{ID}",
        f"recon_{ID}_{SECRET[:-1]}",
        f"recon_{ID}_{SECRET}0",
        f"recon_{ID}_{SECRET}\n",
        f" recon_{ID}_{SECRET}",
        f"recon_{ID.upper()}_{SECRET}",
        f"other_{ID}_{SECRET}",
        f"recon_{'٣' * 12}_{SECRET}",
        "\x00",
        "\ud800",
    ],
)
def test_what_cannot_be_a_key_is_none(text: str):
    assert split_key(text) is None


def test_only_the_secret_itself_has_its_digest():
    digest = digest_of(SECRET)
    assert SECRET not in digest
    assert is_secret(SECRET, digest)
    assert not is_secret(SECRET[::-1], digest)
    assert not is_secret("", digest)


@pytest.mark.parametrize(
    ("expires_in", "revoked", "state"),
    [
        (timedelta(microseconds=1), False, KeyState.ACTIVE),
        (timedelta(0), False, KeyState.EXPIRED),
        (timedelta(days=-1), False, KeyState.EXPIRED),
        (timedelta(days=1), True, KeyState.REVOKED),
        (timedelta(days=-1), True, KeyState.REVOKED),
    ],
)
def test_a_key_is_good_until_the_moment_it_expires_or_is_revoked(expires_in, revoked, state):
    revoked_at = NOW - timedelta(hours=1) if revoked else None
    assert key_state(expires_at=NOW + expires_in, revoked_at=revoked_at, now=NOW) == state
