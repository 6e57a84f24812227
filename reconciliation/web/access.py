"""Who may read the endpoints of monitoring: whoever shows the token, and a developer's own machine.

A server without a token answers nobody but a loopback client, and only where it is a development
or demo server: behind a proxy every client seems to be the proxy.
"""

import secrets
from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

View = Callable[[HttpRequest], HttpResponse]

LOOPBACK = frozenset({"127.0.0.1", "::1"})
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP")


def for_monitoring(view: View) -> View:
    """Let GET and HEAD of those who may read pass to the view; nothing of the answer is kept."""

    @csrf_exempt  # there is no form, and a POST is answered 405 like any other method
    @require_safe
    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        response = refusal(request) or view(request)
        response["Cache-Control"] = "no-store"
        return response

    return guarded


def refusal(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a request that may not read, or None where it may."""
    token = settings.INTERNAL_API_TOKEN
    if not token:
        return None if _is_own_machine(request) else _no_token()
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        return _unauthorized("the header `Authorization: Bearer <token>` is missing", "")
    # Bytes, since texts beyond ASCII cannot be compared in constant time.
    if not secrets.compare_digest(given.strip().encode(), token.encode()):
        return _unauthorized("the token is not this server's", ', error="invalid_token"')
    return None


def _is_own_machine(request: HttpRequest) -> bool:
    return (
        (settings.DEBUG or settings.DEMO)
        and request.META.get("REMOTE_ADDR") in LOOPBACK
        and not any(name in request.META for name in _FORWARDED)
    )


def _unauthorized(fault: str, parameters: str) -> HttpResponse:
    hint = "The token is the server's setting INTERNAL_API_TOKEN."
    response = JsonResponse({"error": f"Unauthorized: {fault}.", "hint": hint}, status=401)
    response["WWW-Authenticate"] = f'Bearer realm="monitoring"{parameters}'
    return response


def _no_token() -> HttpResponse:
    body = {
        "error": "Forbidden: this server has no token for monitoring, so it answers nobody.",
        "hint": (
            "Set INTERNAL_API_TOKEN and restart it; make one with"
            " `python -c 'import secrets; print(secrets.token_urlsafe(32))'`. Only a development"
            " or demo server answers without one, to clients of its own machine."
        ),
    }
    return JsonResponse(body, status=403)
