from decimal import Decimal

import pytest

from reconciliation.domain.severity import EXTERNAL_ORDER, OF_KIND, Severity, severity_of
from reconciliation.enums import NoGoReason, QuarantineReason

CAPITAL = Decimal(1000)


@pytest.mark.parametrize(
    ("notional", "severity"),
    [
        (None, Severity.HIGH),
        ("0", Severity.LOW),
        ("99.99", Severity.LOW),
        ("100", Severity.HIGH),
        ("499.99", Severity.HIGH),
        ("500", Severity.CRITICAL),
    ],
)
def test_the_worth_is_held_against_the_capital_and_unknown_is_not_small(
    notional: str | None, severity: Severity
):
    worth = None if notional is None else Decimal(notional)
    assert severity_of((EXTERNAL_ORDER,), notional_usd=worth, capital_usd=CAPITAL) == severity


def test_the_worse_of_kind_and_worth_counts():
    for kind, least in OF_KIND.items():
        found = severity_of((kind,), notional_usd=Decimal(1), capital_usd=CAPITAL)
        assert found == max(least, Severity.LOW)
    several = (NoGoReason.STALE_FILL, NoGoReason.AMBIGUOUS_SLICE)
    assert severity_of(several, notional_usd=Decimal(1), capital_usd=CAPITAL) == Severity.HIGH


def test_where_nothing_is_allocated_any_worth_is_more_than_that():
    found = severity_of((EXTERNAL_ORDER,), notional_usd=Decimal(1), capital_usd=Decimal(0))
    assert found == Severity.CRITICAL
    unknown = severity_of((EXTERNAL_ORDER,), notional_usd=Decimal(1), capital_usd=None)
    assert unknown == Severity.HIGH


def test_every_reason_has_its_severity():
    assert {*QuarantineReason.values, *NoGoReason.values} <= set(map(str, OF_KIND))
