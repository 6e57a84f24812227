"""Whatever happens to an account, the books end as the exchange, and never say what is not so."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.cycles.storms.machine import Storm

# `HYPOTHESIS_PROFILE=wide` looks further, at other worlds each time.
_WIDE = os.environ.get("HYPOTHESIS_PROFILE") == "wide"
_SETTINGS = settings(
    max_examples=int(os.environ.get("EX", 400 if _WIDE else 30)),
    stateful_step_count=40 if _WIDE else 25,
    derandomize=not _WIDE,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

TestRandomWorlds = pytest.mark.django_db(Storm.TestCase)
TestRandomWorlds.settings = _SETTINGS
