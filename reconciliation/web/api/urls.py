"""The API's addresses. What no operation answers is answered here, in the API's own format."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import URLPattern, re_path
from django.views.decorators.csrf import csrf_exempt

from reconciliation.web.api.api import api
from reconciliation.web.api.errors import answer, answer_exception, request_id_of

View = Callable[..., HttpResponseBase]


def in_one_format(view: View) -> View:
    """Let a view answer errors in the API's format, whoever made them, and name the request."""

    @csrf_exempt  # no cookie is ever looked at
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            response = view(request, *args, **kwargs)
        except Exception as error:
            response = answer_exception(request, error)
        if response.status_code == 405:
            allowed = response.headers["Allow"]
            rows = [("method", f"{request.method} is not for this path; use {allowed}")]
            response = answer(request, 405, rows, headers={"Allow": allowed})
        response.headers["X-Request-ID"] = request_id_of(request)
        response.headers["Cache-Control"] = "no-store"
        return response

    return answered


def nothing_here(request: HttpRequest) -> HttpResponseBase:
    """Answer any other address below the API's."""
    raise Http404


def _patterns() -> list[URLPattern]:
    found = [pattern for pattern in api.urls[0] if isinstance(pattern, URLPattern)]
    for pattern in found:
        pattern.callback = in_one_format(pattern.callback)
    return found


urlpatterns = [*_patterns(), re_path(r"", in_one_format(nothing_here))]
