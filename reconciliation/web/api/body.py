"""Read a request's body: JSON, and nothing that two readers could take for different things.

A number is kept as what it is, not as a value: no field of a row is one, so whoever judges the
row refuses it. So is an object in which a name is given twice.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from reconciliation.web.api.errors import ApiError

MAX_BODY_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class RepeatedName:
    """An object that gives a name twice."""

    name: str


def read_object(request: HttpRequest) -> Mapping[str, Any]:
    """Return the JSON object of a request's body.

    Its numbers are `JsonNumber`, objects that give a name twice `RepeatedName`. Raises `ApiError`:
    415 for what is not JSON by its headers, 413 beyond the limit, 400 for what is no JSON object.
    """
    if request.content_type != "application/json":
        raise ApiError(415, "Content-Type", "is not application/json")
    if (request.content_params or {}).get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise ApiError(415, "Content-Type", "has another charset than utf-8")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(415, "Content-Encoding", "is not identity; send the body uncompressed")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdigit() and int(length[:20]) > MAX_BODY_BYTES:
        raise _too_large()
    body = request.body
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return _parse(body)


def _parse(body: bytes) -> Mapping[str, Any]:
    if not body:
        raise ApiError(400, "body", "is empty; send JSON, with its Content-Length")
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            parse_int=JsonNumber,
            parse_float=JsonNumber,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except UnicodeDecodeError as error:
        raise ApiError(400, "body", f"is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ApiError(400, "body", "is nested too deeply") from None
    except ValueError as error:
        raise ApiError(400, "body", f"is not JSON: {error}") from None
    if isinstance(parsed, RepeatedName):
        raise ApiError(400, parsed.name, "is given twice")
    if not isinstance(parsed, dict):
        raise ApiError(400, "body", "is not a JSON object")
    return parsed


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | RepeatedName:
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            return RepeatedName(name)
        result[name] = value
    return result


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _too_large() -> ApiError:
    return ApiError(
        413, "body", f"is larger than {MAX_BODY_BYTES} bytes; deliver the rows in several requests"
    )
