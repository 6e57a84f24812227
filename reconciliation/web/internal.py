"""`/internal/health` and `/internal/live`: is the loop healthy, is the process up."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.selectors.health import load_health, unknown_health
from reconciliation.selectors.reading import bounded_read
from reconciliation.web.access import for_monitoring

logger = logging.getLogger(__name__)
# Of one statement; a scrape waits 10 s unless told otherwise.
STATEMENT_LIMIT = timedelta(seconds=3)


@for_monitoring
def health(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the loop is healthy and 503 while it is not, or cannot be asked for."""
    settings_in_force = conf.require(settings.RECON_ENVIRON)
    try:
        with bounded_read(STATEMENT_LIMIT):
            said = load_health(conf=settings_in_force, clock=SystemClock())
    except Error as error:
        said = unknown_health(why_unread(error), conf=settings_in_force)
    status = 200 if said["reconciliationLoopHealthy"] else 503
    # Indented, because it is read by people as often as by machines.
    return JsonResponse(said, status=status, json_dumps_params={"indent": 2})


@csrf_exempt  # it has no form, and a POST is answered 405 like any other method
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """Answer 200: the process is up. Nothing else is asked for."""
    response = JsonResponse({"status": "live"})
    response["Cache-Control"] = "no-store"
    return response


def why_unread(error: Error) -> str:
    """Return in one line why the database could not be read, and log it."""
    lines = str(error).strip().splitlines()
    why = f"the database cannot be read: {type(error).__name__}: {lines[0] if lines else 'no text'}"
    logger.warning(why)
    return why
