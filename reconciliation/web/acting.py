"""Say who asks while a request is answered, so that what Django's own pages write has an actor."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from reconciliation.domain.people import Person
from reconciliation.handlers.acting import acting
from reconciliation.selectors.people import load_person


def acting_user(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Return the middleware; a user is loaded only if something asks who acts."""

    def answer(request: HttpRequest) -> HttpResponse:
        def person() -> Person:
            return load_person(request.user, ip=str(request.META.get("REMOTE_ADDR", "")))

        with acting(person):
            return get_response(request)

    return answer
