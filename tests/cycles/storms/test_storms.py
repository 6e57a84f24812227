"""Whatever happens to an account, the books never say what is not so, and end as the exchange."""

import os

import pytest

from tests.cycles.storms.storm import cut_down, play, roll

# `HYPOTHESIS_PROFILE=wide` rolls more and longer storms, `STORMS_FROM` others than last time.
_IS_WIDE = os.environ.get("HYPOTHESIS_PROFILE") == "wide"
_FIRST = int(os.environ.get("STORMS_FROM", "0"))
_COUNT, _LENGTH = (int(os.environ.get("STORMS", "500")), 45) if _IS_WIDE else (30, 30)


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(_FIRST, _FIRST + _COUNT))
def test_a_storm_leaves_the_books_as_the_exchange(seed: int) -> None:
    steps = roll(seed, _LENGTH)
    failure = play(steps)
    if failure:
        shortest = cut_down(steps)
        told = "\n".join(f"    {step}," for step in shortest)
        pytest.fail(f"seed {seed}: {failure}\n\nplay([\n{told}\n])\n{play(shortest)}")
