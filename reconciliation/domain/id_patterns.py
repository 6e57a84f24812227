"""A bot's own scheme of client order ids, as a regular expression that an operator gives.

Its named groups say what an id says: `sub_tag`, `trade_id`, `purpose`. The text that it is held
against comes from the exchange, so what would take long to match is refused from the start.
"""

import re
from dataclasses import dataclass

from reconciliation.enums import Purpose

GROUPS = ("sub_tag", "trade_id", "purpose")
LONGEST_PATTERN = 200
LONGEST_ID = 64
"""Characters of a client order id that a column holds; a longer one matches nothing."""
MOST_REPETITIONS = 6
_PURPOSES = {
    "ENTRY": Purpose.ENTRY,
    "E": Purpose.ENTRY,
    "EXIT": Purpose.EXIT,
    "X": Purpose.EXIT,
}


class UnusablePattern(ValueError):
    """The expression cannot serve; the text says why, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedOwner:
    """What an id names, as far as its scheme says it."""

    sub_tag: str | None
    trade_id: str | None
    purpose: Purpose | None


@dataclass(frozen=True, slots=True)
class ClientOrderIdPattern:
    """A scheme that can be used: `text` as it was given, made by `parse_pattern`."""

    text: str
    expression: re.Pattern[str]

    def __str__(self) -> str:
        return self.text

    def read(self, client_order_id: str | None) -> NamedOwner | None:
        """Return what an id names, or None where it does not follow the scheme.

        The id is matched from its beginning; how it ends is the expression's matter.
        """
        if client_order_id is None or len(client_order_id) > LONGEST_ID:
            return None
        match = self.expression.match(client_order_id)
        if match is None:
            return None
        said = match.groupdict()
        purpose = said.get("purpose")
        if purpose and purpose.upper() not in _PURPOSES:
            return None
        if not said.get("sub_tag") and not said.get("trade_id"):
            return None
        return NamedOwner(
            sub_tag=said.get("sub_tag") or None,
            trade_id=said.get("trade_id") or None,
            purpose=_PURPOSES[purpose.upper()] if purpose else None,
        )


def parse_pattern(text: str) -> ClientOrderIdPattern:
    """Return the scheme of a regular expression; raises `UnusablePattern`."""
    if len(text) > LONGEST_PATTERN:
        raise UnusablePattern(f"is longer than {LONGEST_PATTERN} characters")
    try:
        expression = re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise UnusablePattern(f"is no regular expression: {error}") from error
    strangers = sorted(expression.groupindex.keys() - set(GROUPS))
    if strangers:
        raise UnusablePattern(f"has the group {strangers[0]!r}; groups are {', '.join(GROUPS)}")
    if not expression.groupindex.keys() & {"sub_tag", "trade_id"}:
        raise UnusablePattern("names nobody: it needs a group (?P<sub_tag>…) or (?P<trade_id>…)")
    _refuse_slow(text)
    return ClientOrderIdPattern(text, expression)


_TOKEN = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<back>\(\?P=)|(?P<open>\()|(?P<close>\))"
    r"|(?P<repeat>[*+]|\{\d*,?\d*\})|(?P<choice>\|)|(?P<other>.)",
    re.DOTALL,
)


def _refuse_slow(text: str) -> None:
    """Refuse what can take time exponential in the length of an id, or a high power of it.

    That is a repeated group which itself repeats or chooses, a back reference, and many
    repetitions one after the other.
    """
    is_loose = [False]  # of each group that is open, the whole first: does it repeat or choose
    closed_loose = False
    repetitions = 0
    for token in _TOKEN.finditer(text):
        kind, part = token.lastgroup, token[0]
        if kind == "back" or re.fullmatch(r"\\[1-9]", part):
            raise UnusablePattern("refers back to a group, which can take very long")
        if kind == "repeat":
            if closed_loose:
                raise UnusablePattern(
                    "repeats a group that itself repeats or chooses, which can take very long"
                )
            repetitions += "," in part or part in "*+"
        closed_loose = kind == "close" and is_loose[-1]
        if kind == "open":
            is_loose.append(False)
        elif kind == "close":
            inner = is_loose.pop()
            is_loose[-1] = is_loose[-1] or inner
        elif kind in ("repeat", "choice"):
            is_loose[-1] = True
    if repetitions > MOST_REPETITIONS:
        raise UnusablePattern(
            f"repeats {repetitions} times; with more than {MOST_REPETITIONS} it can take very long"
        )
