"""The envelopes of the exchange's answers: rows, errors, and their HTTP statuses."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

JSON = "application/json"
HTML = "text/html; charset=utf-8"

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, ready to be written."""

    status: int
    body: bytes
    content_type: str = JSON


class OkxError(Exception):
    """A refusal with the exchange's own code; many come with HTTP 200, as at the exchange."""

    def __init__(self, code: str, message: str, status: int = 200) -> None:
        super().__init__(code, message, status)
        self.code = code
        self.message = message
        self.status = status

    def answer(self) -> Answer:
        # The real gateway leaves `data` out of what it refuses before the endpoint is reached.
        envelope: Row = {"msg": self.message, "code": self.code}
        if self.status == 200:
            envelope = {"code": self.code, "data": [], "msg": self.message}
        return Answer(self.status, _encode(envelope))


def rows_answer(rows: Sequence[Row]) -> Answer:
    """Return the well-formed answer that carries `rows`."""
    return Answer(200, _encode({"code": "0", "data": list(rows), "msg": ""}))


def not_found(path: str) -> OkxError:
    return OkxError("404", f"Not Found: {path}", 404)


def method_refused() -> OkxError:
    """Return the answer to anything but GET: this exchange takes no orders over HTTP."""
    return OkxError("50115", "Invalid request method.", 405)


def parameter_error(name: str) -> OkxError:
    return OkxError("51000", f"Parameter {name} error")


def parameter_missing(name: str) -> OkxError:
    return OkxError("50014", f"Parameter {name} can not be empty.")


def either_missing(first: str, second: str) -> OkxError:
    return OkxError("50015", f"Either parameter {first} or {second} is required.")


def no_such_instrument() -> OkxError:
    return OkxError("51001", "Instrument ID or Spread ID doesn't exist.")


def no_such_order() -> OkxError:
    return OkxError("51603", "Order does not exist")


def too_many_requests() -> OkxError:
    return OkxError("50011", "Too Many Requests", 429)


def _encode(envelope: Row) -> bytes:
    return json.dumps(envelope, separators=(",", ":")).encode()
