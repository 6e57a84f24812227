"""Say who asks while a request is answered, so that what Django's own pages write has an actor."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.domain.people import Person
from reconciliation.handlers.acting import acting, is_denial_told
from reconciliation.handlers.denials import record_page_denied
from reconciliation.selectors.people import load_person

_FORBIDDEN = 403


def acting_user(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return the middleware; a user is loaded only if something asks who acts."""

    def answer(request: HttpRequest) -> HttpResponse:
        def person() -> Person:
            return load_person(request.user, ip=str(request.META.get("REMOTE_ADDR", "")))

        with acting(person):
            response = get_response(request)
            if response.status_code == _FORBIDDEN and request.user.is_authenticated:
                _tell_denied(request, person())
            return response

    return answer


def _tell_denied(request: HttpRequest, person: Person) -> None:
    """Record that a page was refused, unless whoever refused it has done so."""
    if is_denial_told():
        return
    loaded, _ = conf.load(settings.RECON_ENVIRON)
    record_page_denied(
        person=person,
        method=str(request.method),
        path=request.path,
        clock=SystemClock(),
        settings_hash="" if loaded is None else loaded.hash(),
    )
