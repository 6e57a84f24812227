"""The API's operations under one roof, and their description in OpenAPI."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema
from pydantic.json_schema import models_json_schema

from reconciliation.web.api import client_order_ids, deliveries, gate, profiles
from reconciliation.web.api.auth import BearerKey
from reconciliation.web.api.errors import answer_exception

PREFIX = "api/v1/"


class PortalApi(NinjaAPI):
    """The API; a delivery's rows are described as if they were validated all at once."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        """Return the description with the schemas of the rows, which are read one by one."""
        schema = super().get_openapi_schema(path_prefix=PREFIX)
        _, definitions = models_json_schema(
            [(deliveries.DeliveryBody, "validation")], ref_template="#/components/schemas/{model}"
        )
        schema["components"]["schemas"].update(definitions["$defs"])
        return schema


api = PortalApi(
    title="Reconciliation portal",
    version="1",
    description="Bots deliver their own rows and read how their profiles stand.",
    auth=BearerKey(),
    docs_url=None,
    openapi_url=None,
)
for _kind in (Exception, Http404, HttpError, ValidationError):
    api.add_exception_handler(_kind, answer_exception)
api.add_router("", deliveries.router)
api.add_router("", profiles.router)
api.add_router("", gate.router)
api.add_router("", client_order_ids.router)


@api.get("/openapi.json", auth=None, include_in_schema=False)
def describe(request: HttpRequest) -> HttpResponse:
    """Return the description of the API, which tells nobody's data."""
    return JsonResponse(api.get_openapi_schema())
