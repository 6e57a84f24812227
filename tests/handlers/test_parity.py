"""What a decision on a position rests on, and what a heartbeat keeps of what it saw."""

from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import transaction

from reconciliation.domain.parity import PositionKey
from reconciliation.domain.streaks import Streak
from reconciliation.enums import ParityKind, PositionSide
from reconciliation.handlers.parity import JudgedSlices, ReadingDraft, keep_readings
from reconciliation.models import ParityReading, ParityWatch, Trade
from tests.builders import NOW, SYMBOL, arranging, make_account, make_run, make_trade

pytestmark = pytest.mark.django_db
USDC = "BTC/USDC"
USDT = "BTC/USDT"
BOTH = frozenset({USDC, USDT})
GHOST = Streak(
    kind=ParityKind.GHOST_POSITION, fingerprint="f", count=2, counted_as_of=NOW, fresh_count=0
)


def judged(*trades: Trade, together: frozenset[str] = frozenset()) -> JudgedSlices:
    by_symbol: dict[str, dict[int, int]] = {}
    for trade in trades:
        by_symbol.setdefault(trade.symbol, {})[trade.pk] = trade.version
    return JudgedSlices(
        account_id=make_account().pk,
        by_symbol=by_symbol,
        together=dict.fromkeys(together, together),
    )


def unmoved(slices: JudgedSlices) -> set[str]:
    with transaction.atomic():
        return slices.lock_and_compare()


def spot(symbol: str, **values: object) -> Trade:
    return make_trade(entry_quantity="0.5", symbol=symbol, **values)


def test_slices_that_nobody_touched_are_unmoved():
    assert unmoved(judged(spot(USDT), spot(USDC))) == BOTH


def test_a_moved_a_new_and_a_closed_slice_each_move_their_symbol_alone():
    for change in ("moved", "new", "closed"):
        first, second = spot(f"{change}A"), spot(f"{change}B")
        slices = judged(first, second)
        with arranging():
            if change == "moved":
                Trade.objects.filter(pk=first.pk).update(version=first.version + 1)
            elif change == "new":
                spot(first.symbol)
            else:
                Trade.objects.filter(pk=first.pk).update(
                    status="CLOSED", exit_quantity="0.5", closed_at=NOW
                )
        assert unmoved(slices) == {second.symbol}


def test_symbols_compared_together_move_together():
    first, second = spot(USDT), spot(USDC)
    slices = judged(first, second, together=BOTH)
    assert unmoved(slices) == BOTH
    with arranging():
        Trade.objects.filter(pk=second.pk).update(version=second.version + 1)

    assert unmoved(slices) == set()


def test_a_slice_that_appears_in_another_symbol_of_the_currency_moves_it():
    slices = judged(spot(USDT), together=BOTH)
    assert unmoved(slices) == {USDT}
    with arranging():
        spot(USDC)

    assert unmoved(slices) == set()


def test_a_symbol_that_was_left_out_is_never_unmoved():
    first, locked = spot(USDT), spot(USDC)
    slices = judged(first, locked, together=BOTH)
    slices.by_symbol.pop(USDC)

    assert unmoved(slices) == set()


def draft(**values: object) -> ReadingDraft:
    reading = ReadingDraft(
        key=PositionKey(symbol=SYMBOL, side=PositionSide.NET),
        kind=ParityKind.GHOST_POSITION,
        streak=GHOST,
        virtual=Decimal("0.5"),
        actual=Decimal(0),
        mark=None,
        outcome="",
        evidence={"at": NOW, "quantity": Decimal("0.5")},
    )
    return replace(reading, **values)  # type: ignore[arg-type]


def keep(*readings: ReadingDraft) -> None:
    run = make_run()
    keep_readings(
        account=run.account, run_id=run.pk, readings=readings, as_of=NOW, is_dry_run=False
    )


@pytest.mark.django_db(transaction=True)
def test_a_streak_is_one_row_and_each_reading_another():
    keep(draft())
    keep(draft(streak=replace(GHOST, count=3)))

    assert [row.streak for row in ParityWatch.objects.all()] == [3]
    assert ParityReading.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_is_simply_clean_leaves_a_streak_and_no_reading():
    keep(draft(kind=ParityKind.CLEAN, streak=replace(GHOST, kind=ParityKind.CLEAN)))

    assert ParityWatch.objects.get().kind == ParityKind.CLEAN
    assert ParityReading.objects.count() == 0
