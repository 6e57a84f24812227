"""Reading one field of an exchange's row: exactly, or with an error that names row and field.

An empty text and an absent field are the same: not known. What is required and not known, is no
exact number, or is a word nobody told us about, is an `UnreadableAnswer`: never a guess.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from reconciliation.domain.amounts import InexactAmount, parse_amount
from reconciliation.domain.keys import canonical_json
from reconciliation.exchange.gateway import RetryableExchangeError

Row = Mapping[str, object]
Word = TypeVar("Word")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_SHOWN_LENGTH = 60


class UnreadableAnswer(RetryableExchangeError):
    """A row of an answer cannot be read exactly; the message names the row and the field."""


class Fields:
    """The fields of one row; `what` names it in errors, as in `fill 9001`."""

    __slots__ = ("row", "what")

    def __init__(self, row: object, *, kind: str, id_fields: tuple[str, ...]) -> None:
        """Raises `UnreadableAnswer` where the row is no object at all."""
        if not isinstance(row, Mapping):
            raise UnreadableAnswer(f"{kind}: expected an object, got a {type(row).__name__}")
        self.row: Row = row
        ids = (_plain_text(row.get(name)) for name in id_fields)
        self.what = f"{kind} {next((each for each in ids if each), '(without an id)')}"

    def fault(self, name: str, problem: str) -> UnreadableAnswer:
        """Return the error that says what is wrong with a field."""
        return UnreadableAnswer(f"{self.what}: {name} {problem}")

    def text(self, name: str) -> str | None:
        """Return a text (an integer in its digits), or None where it is empty or absent."""
        value = self.row.get(name)
        if value is None or value == "":
            return None
        text = _plain_text(value)
        if text is None:
            raise self.fault(name, f"is a {type(value).__name__}, not a text")
        return text

    def required_text(self, name: str) -> str:
        """Return a text that a row cannot do without."""
        text = self.text(name)
        if text is None:
            raise self.fault(name, "is missing")
        return text

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the non-empty texts of a list, none where the field is empty or absent."""
        values = self.row.get(name)
        if values is None or values == "":
            return ()
        if not isinstance(values, list | tuple):
            raise self.fault(name, f"is a {type(values).__name__}, not a list")
        texts = [_plain_text(value) for value in values]
        if None in texts:
            raise self.fault(name, "holds something that is not a text")
        return tuple(text for text in texts if text)

    def amount(self, name: str) -> Decimal | None:
        """Return an exact number, or None where it is empty or absent; zero is a value."""
        value = self.row.get(name)
        if value is None or value == "":
            return None
        return self.exact(name, value)

    def required_amount(self, name: str) -> Decimal:
        """Return an exact number that a row cannot do without."""
        amount = self.amount(name)
        if amount is None:
            raise self.fault(name, "is missing")
        return amount

    def exact(self, name: str, value: object) -> Decimal:
        """Return a value as an amount that a column can hold, naming the field where it cannot."""
        try:
            return parse_amount(value)
        except InexactAmount as error:
            problem = str(error)
        raise self.fault(name, f"cannot be held exactly: {problem[:200]}")

    def moment(self, name: str) -> datetime | None:
        """Return a time given in milliseconds since the epoch; empty, absent or 0 is not known."""
        value = self.row.get(name)
        if value is None or value == "" or value in ("0", 0):
            return None
        text = _plain_text(value)
        if text is None or not (text.isascii() and text.isdigit()):
            raise self.fault(name, f"is no time in milliseconds: {_shown(value)}")
        try:
            return _EPOCH + int(text) * _MILLISECOND
        except OverflowError:
            pass
        raise self.fault(name, f"is out of the calendar: {_shown(value)}")

    def required_moment(self, name: str) -> datetime:
        """Return a time that a row cannot do without."""
        moment = self.moment(name)
        if moment is None:
            raise self.fault(name, "is missing")
        return moment

    def word(self, name: str, meanings: Mapping[str, Word]) -> Word:
        """Return what a word means; a word that nobody told us about is an error, not a guess."""
        text = self.required_text(name)
        if text not in meanings:
            raise self.fault(name, f"is a word that is not known: {_shown(text)}")
        return meanings[text]

    def raw(self) -> str:
        """Return the row in canonical JSON, as evidence."""
        try:
            return canonical_json(self.row)
        except TypeError as error:
            problem = str(error)
        raise UnreadableAnswer(f"{self.what}: {problem}")


def to_ms(moment: datetime) -> int:
    """Return the whole milliseconds since the epoch up to a moment, in integers throughout."""
    return (moment - _EPOCH) // _MILLISECOND


def from_ms(milliseconds: int) -> datetime:
    """Return the moment of whole milliseconds since the epoch."""
    return _EPOCH + milliseconds * _MILLISECOND


def _plain_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def _shown(value: object) -> str:
    return repr(value)[:_SHOWN_LENGTH]
