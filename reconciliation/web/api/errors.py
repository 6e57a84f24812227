"""Every answer that is an error, in one format: each with its field and reason, and the request."""

import logging
from collections.abc import Iterable, Mapping
from uuid import uuid4

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from ninja import Field, Schema
from ninja.errors import HttpError, ValidationError

from reconciliation.handlers.texts import storable

logger = logging.getLogger(__name__)
RETRY_AFTER_SECONDS = 5
_REQUEST_ID = "recon.request_id"


class ErrorRow(Schema):
    """What is wrong with one part of a request."""

    field: str = Field(description="What of the request it is about; `request` for all of it.")
    reason: str = Field(description="What is wrong with it, and the way out.")


class Errors(Schema):
    """Why a request was not done. Nothing of it was."""

    errors: list[ErrorRow]
    request_id: str = Field(description="By which the portal's log and audit trail know it.")


class ApiError(Exception):
    """A request that is refused, in the words of its answer."""

    def __init__(
        self, status: int, field: str, reason: str, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status, self.field, self.reason = status, field, reason
        self.headers = headers or {}
        super().__init__(f"{status} {field}: {reason}")


def request_id_of(request: HttpRequest) -> str:
    """Return the id of a request, made when it is first asked for."""
    request_id: str = request.META.setdefault(_REQUEST_ID, uuid4().hex)
    return request_id


def answer_exception(request: HttpRequest, error: Exception | type[Exception]) -> JsonResponse:
    """Return the answer to a request that ended in the exception being handled.

    Only a fault of ours is traced in the log, and the answer says nothing of it.
    """
    request_id = request_id_of(request)
    match error:
        case ApiError():
            rows = [(error.field, error.reason)]
            return answer(request, error.status, rows, headers=error.headers)
        case ValidationError():
            return answer(request, 422, [_of_parameter(each) for each in error.errors])
        case HttpError():
            return answer(request, error.status_code, [("request", error.message)])
        case Http404():
            return answer(request, 404, [("path", "there is nothing here")])
        case RequestDataTooBig():
            return answer(request, 413, [("body", "is too large; deliver fewer rows at once")])
        case UnreadablePostError():
            return answer(request, 400, [("body", "ended before all of it was sent")])
        case OperationalError() | InterfaceError():
            logger.error("request %s: the database cannot be used: %s", request_id, error)
            reason = f"the database cannot be used now; ask again in {RETRY_AFTER_SECONDS} s"
            wait = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            return answer(request, 503, [("request", reason)], headers=wait)
    logger.exception("request %s failed", request_id)
    return answer(request, 500, [("request", "the portal failed; its log has the request id")])


def answer(
    request: HttpRequest,
    status: int,
    rows: Iterable[tuple[str, str]],
    *,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """Return an error's answer; `rows` are pairs of field and reason."""
    errors = [{"field": storable(field), "reason": storable(reason)} for field, reason in rows]
    content = {"errors": errors, "request_id": request_id_of(request)}
    return JsonResponse(content, status=status, headers=dict(headers or {}))


def _of_parameter(error: Mapping[str, object]) -> tuple[str, str]:
    location = error.get("loc")
    parts = location if isinstance(location, tuple | list) else ()
    return ".".join(map(str, parts[1:])) or "request", str(error.get("msg", "is not valid"))
