"""An exact decimal comes back as it went in, and the database orders it as a number."""

from decimal import Decimal

import pytest
from django.core import serializers
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.db.models import ExpressionWrapper, F, Max, Min, Sum
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciliation.domain.amounts import InexactAmount
from reconciliation.enums import MismatchKind, MismatchStatus, TradeStatus
from reconciliation.models import Mismatch
from reconciliation.models.fields import ExactDecimalField, decode, encode
from tests.builders import NOW, arranging, make_mismatch, make_position, make_run, make_trade

EDGES = [
    "0",
    "0.000000000000000001",
    "-0.000000000000000001",
    "0.1",
    "-0.1",
    "1",
    "-1",
    "9.999999999999999999",
    "10",
    "-10",
    "-9.999999999999999999",
    "99999999999999999999.999999999999999999",
    "-99999999999999999999.999999999999999999",
    "12345678901234567890.123456789012345678",
    "-12345678901234567890.123456789012345678",
]
# From whole numbers and text: Decimal's own arithmetic rounds to 28 digits.
amounts = st.integers(1 - 10**38, 10**38 - 1).map(lambda number: Decimal(f"{number}e-18"))
positive = st.integers(1, 10**38 - 1).map(lambda number: Decimal(f"{number}e-18"))
many = st.lists(amounts | st.sampled_from(EDGES).map(Decimal), min_size=1, max_size=12)


@given(amounts)
def test_the_text_of_an_amount_gives_the_amount_back(amount: Decimal):
    text = encode(amount)
    assert decode(text) == amount
    assert len(text) == 40


@given(many)
def test_texts_sort_as_the_numbers_do(numbers: list[Decimal]):
    assert sorted(numbers) == [decode(text) for text in sorted(map(encode, numbers))]


def insert_drifts(numbers: list[Decimal]) -> None:
    """Insert a mismatch a number; its key is the number's place, its symbol X."""
    run = make_run()
    with arranging():
        Mismatch.objects.bulk_create(
            Mismatch(
                account=run.account,
                first_run=run,
                opened_at=NOW,
                key=str(at),
                kind=MismatchKind.GHOST_POSITION,
                status=MismatchStatus.OPEN,
                symbol="X",
                drift=number,
            )
            for at, number in enumerate(numbers)
        )


@pytest.mark.django_db
@settings(max_examples=25, deadline=None)
@given(many)
def test_the_database_keeps_every_digit_and_the_order_of_numbers(numbers: list[Decimal]):
    with transaction.atomic():
        insert_drifts(numbers)
        rows = Mismatch.objects.filter(symbol="X")
        middle = sorted(numbers)[len(numbers) // 2]

        assert {int(row.key): row.drift for row in rows} == dict(enumerate(numbers))
        assert [row.drift for row in rows.order_by("drift")] == sorted(numbers)
        assert rows.filter(drift__lt=middle).count() == sum(n < middle for n in numbers)
        assert rows.filter(drift__gte=middle).count() == sum(n >= middle for n in numbers)
        assert rows.filter(drift=middle).count() == numbers.count(middle)
        assert rows.filter(drift__in=numbers).count() == len(numbers)
        assert rows.aggregate(low=Min("drift"), high=Max("drift")) == {
            "low": min(numbers),
            "high": max(numbers),
        }
        transaction.set_rollback(True)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None)
@given(many)
def test_a_constraint_compares_numbers(numbers: list[Decimal]):
    """position_sign_is_its_direction: a long is not negative."""
    with transaction.atomic():
        for at, number in enumerate(numbers):
            if number >= 0:
                make_position(symbol=f"S{at}", quantity=number)
                continue
            with (
                pytest.raises(IntegrityError, match="position_sign_is_its_direction"),
                transaction.atomic(),
            ):
                make_position(symbol=f"S{at}", quantity=number)
        transaction.set_rollback(True)


@pytest.mark.django_db
@settings(max_examples=25, deadline=None)
@given(positive, positive)
def test_a_constraint_between_two_columns_compares_numbers(entry: Decimal, leave: Decimal):
    """trade_open_quantity_not_negative: no more is left than was entered."""
    with transaction.atomic():
        if leave <= entry:
            make_trade(entry_quantity=entry, exit_quantity=leave)
        else:
            with (
                pytest.raises(IntegrityError, match="trade_open_quantity_not_negative"),
                transaction.atomic(),
            ):
                make_trade(entry_quantity=entry, exit_quantity=leave, status=TradeStatus.OPEN)
        transaction.set_rollback(True)


@pytest.mark.django_db
def test_unknown_is_not_zero():
    insert_drifts([Decimal(0)])
    row = make_mismatch(drift=None)
    row.refresh_from_db()
    assert row.drift is None
    assert Mismatch.objects.get(drift=0).key == "0"
    assert Mismatch.objects.get(drift__isnull=True) == row


@pytest.mark.django_db
@pytest.mark.parametrize("value", [0.5, "0.0000000000000000001", "1e20", "NaN", "much"])
def test_what_the_column_cannot_hold_never_reaches_it(value: object):
    row = make_mismatch()
    row.drift = value
    with arranging(), pytest.raises(InexactAmount):
        row.save()
    with pytest.raises(InexactAmount):
        Mismatch.objects.filter(drift=value).exists()


@pytest.mark.django_db
def test_arithmetic_in_sql_is_refused_where_it_would_go_through_floats():
    insert_drifts([Decimal("0.1"), Decimal("0.2")])
    twice = ExpressionWrapper(F("drift") + F("drift"), output_field=ExactDecimalField())
    totals = Mismatch.objects.annotate(more=twice).order_by("pk")
    if connection.vendor == "sqlite":
        with pytest.raises(TypeError, match="not exact on SQLite"):
            list(totals)
        with pytest.raises(TypeError, match="not exact on SQLite"):
            Mismatch.objects.aggregate(Sum("drift"))
    else:
        assert [row.more for row in totals] == [Decimal("0.2"), Decimal("0.4")]
        assert Mismatch.objects.aggregate(total=Sum("drift"))["total"] == Decimal("0.3")


@pytest.mark.django_db
def test_a_serialized_row_reads_back_as_it_was():
    row = make_mismatch(drift=EDGES[-1])
    (again,) = serializers.deserialize("json", serializers.serialize("json", [row]))
    assert again.object.drift == row.drift == Decimal(EDGES[-1])


@pytest.mark.parametrize(
    ("value", "expected"), [("1.50", Decimal("1.5")), ("", None), (None, None)]
)
def test_a_form_gives_the_exact_number(value: str | None, expected: Decimal | None):
    field = ExactDecimalField(null=True, blank=True)
    assert field.to_python(value) == expected


@pytest.mark.parametrize("value", ["much", "1,5", "0.0000000000000000001", 0.5])
def test_a_form_is_told_what_is_wrong(value: object):
    with pytest.raises(ValidationError):
        ExactDecimalField().to_python(value)


@pytest.mark.parametrize(
    ("text", "amount"), [("77", "77"), ("51.0", "51"), ("-5", "-5"), ("0.25", "0.25")]
)
def test_what_sql_wrote_past_the_portal_is_read_as_the_number_that_it_says(text: str, amount: str):
    assert decode(text) == Decimal(amount)


@pytest.mark.parametrize("text", ["", "much", "NaN", "1e400"])
def test_a_text_that_is_no_amount_is_refused(text: str):
    with pytest.raises(InexactAmount):
        decode(text)
