"""Tells how drills came out: lines for people, one JSON object for programs."""

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum

from reconciliation.domain.amounts import plain
from reconciliation.domain.keys import iso_utc
from reconciliation.drills.compare import ABSENT, Failure
from reconciliation.drills.runner import DrillResult
from reconciliation.drills.suite import SuiteOutcome


def result_lines(result: DrillResult) -> list[str]:
    """Return `PASS name`, or `FAIL name` and a line for each expectation that failed."""
    head = f"{'PASS' if result.passed else 'FAIL'} {result.name}"
    return [head, *(f"  {_failure_line(each)}" for each in result.failures)]


def summary_line(outcome: SuiteOutcome) -> str:
    """Return how many drills passed and failed."""
    return f"{outcome.passed} passed, {outcome.failed} failed"


def as_json(outcome: SuiteOutcome) -> str:
    """Return everything as one object; decimals are strings, as in a drill file."""
    report: dict[str, object] = {
        "drills": [_result(result) for result in outcome.results],
        "passed": outcome.passed,
        "failed": outcome.failed,
        "errors": [
            {"file": error.file, "line": error.line, "message": error.message}
            for error in outcome.errors
        ],
    }
    return json.dumps(report, indent=2, ensure_ascii=False)


def _result(result: DrillResult) -> dict[str, object]:
    return {
        "name": result.name,
        "file": result.file,
        "passed": result.passed,
        "failures": [_failure(each) for each in result.failures],
        "remarks": list(result.remarks),
        "state": _jsonable(result.state),
    }


def _failure(failure: Failure) -> dict[str, object]:
    return {
        "path": failure.path,
        "line": failure.line,
        "expected": _jsonable(failure.expected),
        "got": "absent" if failure.got is ABSENT else _jsonable(failure.got),
    }


def _failure_line(failure: Failure) -> str:
    where = "" if failure.line is None else f" (line {failure.line})"
    return f"{failure.path}: expected {_text(failure.expected)}, got {_text(failure.got)}{where}"


def _text(value: object) -> str:
    if value is ABSENT:
        return "absent"
    plain_value = _jsonable(value)
    if isinstance(plain_value, str):
        return plain_value
    return json.dumps(plain_value, ensure_ascii=False)


def _jsonable(value: object) -> object:
    match value:
        case Decimal():
            return plain(value)
        case Enum():
            return value.value
        case Mapping():
            return {str(key): _jsonable(item) for key, item in value.items()}
        case list() | tuple():
            return [_jsonable(item) for item in value]
        case str() | int() | None:
            return value
        case datetime():
            return iso_utc(value)
        case _:
            return str(value)
