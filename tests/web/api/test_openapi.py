"""The API describes itself, to anybody, and its description holds against made-up requests."""

import json
from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from hypothesis import HealthCheck, Phase, settings
from jsonschema_rs import Draft202012Validator
from schemathesis.config import (
    CoveragePhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.specs.openapi.checks import ignored_auth, negative_data_rejection

from tests.web.api.bots import everything, make_bot

pytestmark = pytest.mark.django_db


def load(*, edges: bool) -> Any:
    """Load the description; `edges` tries the edges of every field, besides made-up requests.

    They are the same requests in every run: a fault that is found once is found again.
    """
    project = ProjectConfig(
        generation=GenerationConfig(deterministic=True, database="none"),
        phases=PhasesConfig(coverage=CoveragePhaseConfig(enabled=edges)),
    )
    config = SchemathesisConfig(projects=ProjectsConfig(default=project))
    app = get_wsgi_application()
    return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app, config=config)


MADE_UP = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
NOT_HERE = [
    negative_data_rejection,  # a row that is none is refused within a 200: it stops no other
    ignored_auth,  # test_auth tries each path without a key; here it would triple the requests
]
OWN = {"account": "main", "name": "alpha"}


def description() -> dict[str, Any]:
    response = make_bot().client.get("/api/v1/openapi.json")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    parsed: dict[str, Any] = json.loads(response.content)
    return parsed


def test_the_description_needs_no_key_and_names_every_operation():
    said = description()
    assert {(path, *methods) for path, methods in said["paths"].items()} == {
        ("/api/v1/accounts/{account}/deliveries", "post"),
        ("/api/v1/client-order-id", "get"),
        ("/api/v1/profiles", "get"),
        ("/api/v1/profiles/{name}", "get"),
        ("/api/v1/profiles/{name}/gate", "get"),
        ("/api/v1/profiles/{name}/mismatches", "get"),
    }
    for methods in said["paths"].values():
        for operation in methods.values():
            assert operation["security"] == [{"BearerKey": []}]
            assert operation["responses"].keys() >= {"200", "401", "404", "405", "500", "503"}


def test_a_delivery_and_its_answer_are_as_described():
    said = description()

    def problems(name: str, value: object) -> list[str]:
        schema = {"$ref": f"#/components/schemas/{name}", "components": said["components"]}
        return [error.message for error in Draft202012Validator(schema).iter_errors(value)]

    bot = make_bot(name="other")
    rows = everything()
    assert problems("DeliveryBody", rows) == []
    assert problems("DeliveryAnswer", bot.deliver(**rows)) == []
    rows["trades"][0]["surprise"] = 1
    rows["orders"][0]["quantity"] = 0.5
    assert len(problems("DeliveryBody", rows)) == 2


@load(edges=True).include(method="GET").parametrize()
@settings(MADE_UP, max_examples=20)
def test_no_question_is_a_fault_of_ours_and_every_answer_is_as_described(
    case: schemathesis.Case, fuzzing_bot: dict[str, str]
):
    case.call_and_validate(headers=fuzzing_bot, excluded_checks=NOT_HERE)
    # A made-up name is another's: most of what can go wrong is behind one's own.
    case.path_parameters = {name: OWN[name] for name in case.path_parameters or ()}
    case.call_and_validate(headers=fuzzing_bot, excluded_checks=NOT_HERE)


# The edges of every field of every row are tried one by one in test_deliveries.
@load(edges=False).include(method="POST").parametrize()
@settings(MADE_UP, max_examples=60)
def test_no_delivery_is_a_fault_of_ours_and_every_answer_is_as_described(
    case: schemathesis.Case, fuzzing_bot: dict[str, str]
):
    case.path_parameters = {name: OWN[name] for name in case.path_parameters or ()}
    case.call_and_validate(headers=fuzzing_bot, excluded_checks=NOT_HERE)
