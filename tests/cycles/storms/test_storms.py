"""Whatever happens to an account, the books never say what is not so, and end as the exchange.

The suite plays the same few storms every time. `STORMS=2000` plays as many others, longer ones, and
cuts one that fails down to what it takes; `--hypothesis-seed` gives the same ones again.
"""

import os
from functools import partial

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.cycles.storms.market import KINDS
from tests.cycles.storms.storm import Storm

STORMS = int(os.environ.get("STORMS", "0"))
# A storm takes as long as it takes, and acts on what there is.
UNHURRIED = settings(deadline=None, database=None, suppress_health_check=list(HealthCheck))
SHORT = settings(
    UNHURRIED,
    max_examples=8,
    stateful_step_count=30,
    derandomize=True,
    phases=[Phase.generate],
)
LONG = settings(UNHURRIED, max_examples=STORMS or 1, stateful_step_count=50)


@pytest.mark.timeout(0 if STORMS else 600)
@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_a_storm_leaves_the_books_as_the_exchange(kind: str) -> None:
    storm = partial(Storm, KINDS[kind])
    run_state_machine_as_test(storm, settings=LONG if STORMS else SHORT)
