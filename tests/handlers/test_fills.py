"""What was read of an exchange's fills is kept once, with the interval that is proven by it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from reconciliation.domain.types import ExchangeFill, FillPage
from reconciliation.enums import CoverageStatus, FillKind, InstrumentType, PositionSide, Side
from reconciliation.handlers.fills import (
    UnprovenFills,
    keep_fill_page,
    keep_order_fills,
    mark_unobtainable,
)
from reconciliation.models import Fill, FillCoverage
from tests.builders import NOW, SYMBOL, make_account, make_fill, make_run

pytestmark = pytest.mark.django_db


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def a_fill(fill_id: str = "9001", minutes: float = 30, **values: Any) -> ExchangeFill:
    defaults: dict[str, Any] = {
        "fill_id": fill_id,
        "symbol": SYMBOL,
        "side": Side.BUY,
        "quantity": Decimal("0.5"),
        "price": Decimal(60000),
        "executed_at": ago(minutes),
    }
    return ExchangeFill(**{**defaults, **values})


def keep(
    *fills: ExchangeFill,
    start: float = 60,
    end: float = 0,
    kind: InstrumentType = InstrumentType.SWAP,
) -> int:
    page = FillPage(instrument_type=kind, fills=fills, start=ago(start), end=ago(end))
    account = make_account()
    return keep_fill_page(account_id=account.pk, page=page, run_id=make_run().pk, now=NOW)


def keep_of_order(*fills: ExchangeFill) -> int:
    account = make_account()
    return keep_order_fills(
        account_id=account.pk,
        instrument_type=InstrumentType.SWAP,
        fills=fills,
        run_id=make_run().pk,
        now=NOW,
    )


def known(status: CoverageStatus = CoverageStatus.PROVEN) -> list[tuple[float, float]]:
    """Return the intervals in minutes ago, oldest first."""
    return [
        tuple((NOW - at) / timedelta(minutes=1) for at in (row.start_at, row.end_at))
        for row in FillCoverage.objects.filter(status=status).order_by("start_at")
    ]


def test_a_page_is_kept_with_all_that_the_exchange_said():
    said = a_fill(
        kind=FillKind.LIQUIDATION,
        exchange_order_id="1001",
        client_order_id="client1",
        sub_tag="alpha01",
        trade_hint="T1",
        position_side=PositionSide.LONG,
        fee=Decimal("-0.5"),
        fee_currency="USDT",
        raw='{"a":1}',
    )
    assert keep(said) == 1

    row = Fill.objects.get()
    for name in (
        "symbol",
        "side",
        "quantity",
        "price",
        "executed_at",
        "kind",
        "exchange_order_id",
        "client_order_id",
        "sub_tag",
        "trade_hint",
        "position_side",
        "fee",
        "fee_currency",
        "raw",
    ):
        assert getattr(row, name) == getattr(said, name), name
    assert (row.exchange_fill_id, row.allocated_quantity) == ("9001", 0)
    assert row.instrument_type == InstrumentType.SWAP


def test_a_page_proves_its_interval():
    keep(a_fill())
    assert known() == [(60, 0)]


def test_an_empty_page_proves_its_interval_too():
    assert keep() == 0
    assert known() == [(60, 0)]


def test_a_fill_that_was_kept_before_is_kept_once_as_it_was():
    keep(a_fill())
    assert keep(a_fill(), a_fill("9002")) == 1
    assert sorted(Fill.objects.values_list("exchange_fill_id", flat=True)) == ["9001", "9002"]


@pytest.mark.parametrize("other", [{"price": Decimal(1)}, {"quantity": Decimal("0.4")}])
def test_a_page_that_shows_a_fill_with_other_numbers_is_refused(other):
    keep(a_fill())
    with pytest.raises(UnprovenFills, match="other numbers"):
        keep(a_fill(**other))
    row = Fill.objects.get()
    assert (row.price, row.quantity) == (Decimal(60000), Decimal("0.5"))


def test_what_is_booked_of_a_fill_is_not_forgotten_when_it_is_shown_again():
    make_fill(exchange_fill_id="9001", allocated_quantity="0.5", executed_at=ago(30))
    keep(a_fill())
    assert Fill.objects.get().allocated_quantity == Decimal("0.5")


@pytest.mark.parametrize("differs", [{"symbol": "ETH/USDT:USDT"}, {"side": Side.SELL}])
def test_one_id_in_two_symbols_or_on_two_sides_is_two_fills(differs):
    assert keep(a_fill(), a_fill(**differs)) == 2


@pytest.mark.parametrize(
    ("pages", "intervals"),
    [
        ([(60, 30), (30, 0)], [(60, 0)]),
        ([(30, 0), (60, 30)], [(60, 0)]),
        ([(60, 20), (30, 0)], [(60, 0)]),
        ([(60, 0), (40, 20)], [(60, 0)]),
        ([(60, 40), (20, 0)], [(60, 40), (20, 0)]),
        ([(60, 50), (10, 0), (50, 10)], [(60, 0)]),
    ],
    ids=["touching", "backwards", "overlapping", "within", "apart", "the gap closed"],
)
def test_intervals_that_meet_become_one(pages, intervals):
    for start, end in pages:
        keep(start=start, end=end)
    assert known() == intervals


def test_a_page_that_repeats_what_is_known_writes_no_coverage():
    keep()
    before = FillCoverage.objects.get().pk
    keep(start=50, end=10)
    assert FillCoverage.objects.get().pk == before


def test_spot_and_swap_are_covered_apart():
    keep(kind=InstrumentType.SPOT)
    assert set(FillCoverage.objects.values_list("instrument_type", flat=True)) == {"spot"}
    keep(start=30, end=0)
    assert FillCoverage.objects.count() == 2


def test_accounts_are_covered_apart():
    keep(a_fill())
    other = make_account("other")
    page = FillPage(instrument_type=InstrumentType.SWAP, fills=(), start=ago(60), end=NOW)
    assert keep_fill_page(account_id=other.pk, page=page, run_id=make_run(other).pk, now=NOW) == 0
    assert FillCoverage.objects.filter(account=other).count() == 1


def test_a_page_that_leaves_out_a_fill_of_its_interval_is_refused_and_nothing_of_it_kept():
    keep(a_fill("9001"), start=60, end=20)
    with pytest.raises(UnprovenFills, match="9001"):
        keep(a_fill("9002", 10), start=40, end=0)
    assert [row.exchange_fill_id for row in Fill.objects.all()] == ["9001"]
    assert known() == [(60, 20)]


def test_an_empty_page_does_not_pass_for_a_quiet_hour():
    keep(a_fill())
    with pytest.raises(UnprovenFills):
        keep()


@pytest.mark.parametrize(("minutes", "contradicts"), [(60, True), (0, True), (61, False)])
def test_both_ends_of_an_interval_are_within_it(minutes, contradicts):
    make_fill(executed_at=ago(minutes))
    if contradicts:
        with pytest.raises(UnprovenFills):
            keep()
    else:
        assert keep() == 0


def test_a_fill_of_another_type_or_account_is_not_missing():
    make_fill(executed_at=ago(30), instrument_type=InstrumentType.SPOT)
    make_fill(make_account("other"), executed_at=ago(30))
    assert keep() == 0


def test_the_fills_of_an_order_prove_no_interval():
    assert keep_of_order(a_fill(), a_fill("9002")) == 2
    assert keep_of_order(a_fill()) == 0
    assert keep_of_order() == 0
    assert known() == []


def test_a_page_must_hold_the_fills_that_an_order_showed():
    keep_of_order(a_fill())
    with pytest.raises(UnprovenFills):
        keep()


UNSTORABLE = [
    {"client_order_id": "c" * 65},
    {"sub_tag": "t" * 65},
    {"fee": Decimal(1), "fee_currency": "C" * 17},
    {"trade_hint": "T\x00"},
    {"client_order_id": "half \ud800 a pair"},
]


@pytest.mark.parametrize("values", UNSTORABLE, ids=lambda values: list(values)[-1])
def test_a_fill_that_no_column_can_hold_proves_no_interval_and_stops_no_other(values):
    with pytest.raises(UnprovenFills, match="9002"):
        keep(a_fill("9001"), a_fill("9002", **values))
    assert [row.exchange_fill_id for row in Fill.objects.all()] == ["9001"]
    assert known() == []


@pytest.mark.parametrize("values", UNSTORABLE, ids=lambda values: list(values)[-1])
def test_a_fill_of_an_order_that_no_column_can_hold_stops_no_other_either(values):
    with pytest.raises(UnprovenFills, match="9002"):
        keep_of_order(a_fill("9001"), a_fill("9002", **values))
    assert [row.exchange_fill_id for row in Fill.objects.all()] == ["9001"]


def test_the_answer_itself_is_kept_whatever_is_in_it():
    keep(a_fill(raw='{"note":"half \ud800 a pair"}'))
    assert Fill.objects.get().raw == '{"note":"half \\ud800 a pair"}'


def test_a_fill_that_just_fits_is_kept():
    longest = a_fill("9" * 64, client_order_id="c" * 64, sub_tag="ü" * 64, trade_hint="T" * 64)
    assert keep(longest) == 1
    assert known() == [(60, 0)]


def test_what_the_exchange_keeps_no_more_is_known_apart_from_what_was_read():
    keep(start=30, end=0)
    mark_unobtainable(
        account_id=make_account().pk,
        instrument_type=InstrumentType.SWAP,
        interval=(ago(60), ago(30)),
    )
    assert known() == [(30, 0)]
    assert known(CoverageStatus.UNOBTAINABLE) == [(60, 30)]


def test_a_page_of_any_length_costs_the_same_number_of_statements():
    def count(fills: int, start: float) -> int:
        page = [a_fill(f"{start}-{n}", start - 1) for n in range(fills)]
        with CaptureQueriesContext(connection) as queries:
            keep(*page, start=start, end=start - 1)
        return len(queries)

    make_run()
    assert count(2, 1000) == count(200, 2000)
