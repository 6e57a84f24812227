"""Counters count each mismatch once, when it was first seen, and never go back."""

import pytest

from reconciliation.conf import require
from reconciliation.enums import MismatchKind, MismatchStatus
from reconciliation.selectors.metrics import load_metrics
from tests.builders import NOW, make_mismatch, make_profile, make_run, make_sighting

pytestmark = pytest.mark.django_db
CONF = require({})


def metrics() -> dict[str, int]:
    return load_metrics(conf=CONF, now=NOW)


def sample(name: str, profile: str = "alpha") -> int:
    return metrics()[f'reconciliation_{name}_total{{profile="{profile}"}}']


NAMES = ("mismatch", "missing_from_exchange", "missing_in_db")


def test_every_profile_and_nobody_have_their_samples_from_the_first():
    assert metrics() == {f'reconciliation_{name}_total{{profile=""}}': 0 for name in NAMES}
    make_profile()
    assert metrics() == {
        f'reconciliation_{name}_total{{profile="{profile}"}}': 0
        for name in NAMES
        for profile in ("", "alpha")
    }


def test_each_mismatch_is_counted_with_its_kind():
    profile = make_profile()
    run = make_run()
    for kind in (MismatchKind.MISSING_FROM_EXCHANGE, MismatchKind.QUANTITY_MISMATCH):
        make_mismatch(run, profile=profile, kind=kind)
    assert (sample("mismatch"), sample("missing_from_exchange")) == (2, 1)
    assert sample("missing_in_db") == 0


@pytest.mark.parametrize("status", MismatchStatus)
def test_a_counter_does_not_go_back_when_a_mismatch_is_over(status):
    closed = NOW if status == MismatchStatus.RESOLVED else None
    make_mismatch(profile=make_profile(), status=status, closed_at=closed)
    assert sample("mismatch") == 1


def test_seen_often_is_counted_once():
    make_sighting(make_mismatch(profile=make_profile()), count=9)
    assert sample("mismatch") == 1


def test_profiles_are_counted_apart_and_so_is_what_is_nobodys():
    alpha, beta = make_profile(), make_profile("beta", sub_tag="beta01")
    run = make_run()
    make_mismatch(run, profile=alpha)
    make_mismatch(run, profile=alpha)
    make_mismatch(run, profile=beta)
    make_mismatch(run, profile=None)
    counts = {name: sample("mismatch", name) for name in ("alpha", "beta", "")}
    assert counts == {"alpha": 2, "beta": 1, "": 1}
