"""Taking secrets out of texts that will be recorded, shown and logged.

Removed are the credentials in every spelling a message may have them in, the headers and
signatures of the last request, and every URL's query: some exchanges sign in it. What is shorter
than a credential may be (`credentials.MIN_LENGTH`) is no secret: to remove it would shred words.
"""

import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, urlsplit

from reconciliation.exchange.credentials import MIN_LENGTH

REDACTED = "[redacted]"
MAX_LENGTH = 300

_QUERY = re.compile(r"\?[^\s\"'<>?=&]{1,100}=[^\s\"'<>]*")
_NAMED_SECRET = re.compile(
    r"""(?ix)
    ( \b (?: signature | sign | api[_-]?key | api[_-]?secret | secret | passphrase | password
           | authorization | [a-z]+-access-[a-z]+ | x-[a-z-]*(?:key|sign|token)[a-z-]* )
      ["']? \s* [:=] \s* ["']? )
    [^\s"',;&}]+
    """
)
_SECRET_HEADER = re.compile(r"(?i)key|sign|pass|secret|token|authorization")
_SECRET_PARAMETER = re.compile(r"(?i)sign|key|secret|token|pass")
_SPACE = re.compile(r"\s+")


class Redactor:
    """Redact texts of one account; knows its credentials and its last request's signature."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = _spellings(secrets)
        self._of_request: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Redactor()"

    def remember_request(self, url: str, headers: Mapping[str, object] | None) -> None:
        """Take note of what a request carries, since an exchange may quote it in its answer."""
        carried = [
            str(value) for name, value in (headers or {}).items() if _SECRET_HEADER.search(name)
        ]
        carried += [
            value
            for name, value in parse_qsl(urlsplit(url).query)
            if _SECRET_PARAMETER.search(name)
        ]
        self._of_request = _spellings(carried)

    def __call__(self, text: str) -> str:
        """Return a text without secrets, on one line, cut to a length that can be shown."""
        for secret in sorted((*self._secrets, *self._of_request), key=len, reverse=True):
            text = text.replace(secret, REDACTED)
        text = _QUERY.sub("?…", text)
        text = _NAMED_SECRET.sub(rf"\1{REDACTED}", text)
        text = _SPACE.sub(" ", text).strip()
        return text if len(text) <= MAX_LENGTH else f"{text[: MAX_LENGTH - 1]}…"


def _spellings(secrets: Iterable[str]) -> tuple[str, ...]:
    found: set[str] = set()
    for secret in secrets:
        if len(secret) < MIN_LENGTH:
            continue
        in_json = json.dumps(secret)[1:-1]
        found |= {secret, in_json, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    return tuple(found)
