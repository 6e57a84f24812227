"""Windows of fills over HTTP: complete, proven page by page, and honest about what is lost."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from reconciliation.domain.types import FillPage
from reconciliation.enums import FillKind, InstrumentType
from reconciliation.exchange.gateway import (
    ExchangeError,
    HistoryUnobtainable,
    RetryableExchangeError,
    Unsupported,
)
from tests.exchange.builders import PaperWorld, moment
from tests.exchange.paper.builders import NOW, SPOT, fill

DAY_AGO = NOW - timedelta(days=1)


def put_fills(world: PaperWorld, times: Iterable[datetime], first: int = 9000) -> set[str]:
    fills = [
        fill(str(first + number), quantity=Decimal("0.001"), executed_at=time)
        for number, time in enumerate(times)
    ]
    world.account.put_fills(fills)
    return {each.fill_id for each in fills}


def read(
    world: PaperWorld,
    start: datetime = DAY_AGO,
    end: datetime = NOW,
    kind: InstrumentType = InstrumentType.SWAP,
) -> list[FillPage]:
    return list(world.gateway.fetch_fill_pages(kind, start=start, end=end))


def read_into(
    pages: list[FillPage], world: PaperWorld, start: datetime = DAY_AGO, end: datetime = NOW
) -> None:
    """Read a window page by page, so that what came before an error is kept."""
    for page in world.gateway.fetch_fill_pages(InstrumentType.SWAP, start=start, end=end):
        pages.append(page)


def ids(pages: Iterable[FillPage]) -> set[str]:
    return {each.fill_id for page in pages for each in page.fills}


@pytest.mark.parametrize("count", [0, 1, 2, 99, 100, 101, 198, 199, 200, 350])
def test_every_fill_of_a_window_is_read_however_many_there_are(
    world: PaperWorld, count: int
) -> None:
    known = put_fills(world, (moment(1000 * each) for each in range(count)))

    pages = read(world)

    assert ids(pages) == known
    assert sum(len(page.fills) for page in pages) == count
    assert (pages[0].end, pages[-1].start) == (NOW, DAY_AGO)


def test_fills_of_one_millisecond_that_pages_end_within_are_all_read(world: PaperWorld) -> None:
    known = put_fills(world, (moment(each // 30 * 5) for each in range(260)))

    assert ids(read(world)) == known


def test_more_fills_than_a_page_holds_may_be_of_one_millisecond(world: PaperWorld) -> None:
    known = put_fills(world, (moment(60_000) for _ in range(230)))

    pages = read(world)

    assert ids(pages) == known
    assert [len(page.fills) for page in pages] == [230]


def test_ids_need_not_rise_with_time(world: PaperWorld) -> None:
    known = put_fills(world, (moment(1000 * (150 - each)) for each in range(150)))
    known |= put_fills(world, (moment(1000 * each + 500) for each in range(150)), first=1000)

    assert ids(read(world)) == known


def test_a_page_is_complete_for_its_own_interval_and_joins_the_next(world: PaperWorld) -> None:
    times = {str(9000 + each): moment(each * 7 // 3) for each in range(300)}
    put_fills(world, times.values())

    pages = read(world)

    assert len(pages) > 2
    for page in pages:
        within = {fill_id for fill_id, time in times.items() if page.start <= time <= page.end}
        assert {each.fill_id for each in page.fills} == within
    for newer, older in pairwise(pages):
        assert older.end == newer.start


def test_a_full_page_proves_nothing_of_its_oldest_millisecond(world: PaperWorld) -> None:
    put_fills(world, (moment(1000 * each) for each in range(150)))

    first = read(world)[0]

    assert first.start == moment(99_000 - 1)
    assert len(first.fills) == 99


def test_pages_are_newest_first(world: PaperWorld) -> None:
    put_fills(world, (moment(1000 * each) for each in range(150)))

    times = [each.executed_at for page in read(world) for each in page.fills]

    assert times == sorted(times, reverse=True)


def test_both_ends_of_a_window_belong_to_it_and_nothing_beyond(world: PaperWorld) -> None:
    start, end = moment(10_000), moment(5_000)
    put_fills(world, [moment(10_001), start, moment(7000), end, moment(4999)])

    assert ids(read(world, start, end)) == {"9001", "9002", "9003"}


def test_a_window_between_two_milliseconds_is_empty(world: PaperWorld) -> None:
    put_fills(world, [moment(1000), moment(999)])
    start = moment(1000) + timedelta(microseconds=1)

    (page,) = read(world, start, start + timedelta(microseconds=500))

    assert page.fills == ()
    assert (page.start, page.end) == (start, start + timedelta(microseconds=500))


def test_each_instrument_type_is_read_apart(world: PaperWorld) -> None:
    world.account.put_fills([fill("9001"), fill("9002", symbol=SPOT)])

    assert ids(read(world)) == {"9001"}
    assert ids(read(world, kind=InstrumentType.SPOT)) == {"9002"}
    assert {page.instrument_type for page in read(world, kind=InstrumentType.SPOT)} == {
        InstrumentType.SPOT
    }


def test_what_the_exchange_did_itself_is_among_the_fills_and_funding_is_not(
    world: PaperWorld,
) -> None:
    world.account.put_fills(
        [
            fill("9001", kind="liquidation", side="sell", exchange_order_id=None),
            fill("9002", kind="adl", side="sell", exchange_order_id=None),
            fill("9003", kind="delivery", side="sell", exchange_order_id=None),
            fill("9004", kind="funding"),
        ]
    )

    kinds = {each.fill_id: each.kind for page in read(world) for each in page.fills}

    assert kinds == {
        "9001": FillKind.LIQUIDATION,
        "9002": FillKind.ADL,
        "9003": FillKind.DELIVERY,
    }


def test_ccxts_own_paging_is_never_used(world: PaperWorld) -> None:
    put_fills(world, (moment(1000 * each) for each in range(150)))
    world.forget()

    read(world)

    queries = world.queries()
    assert all("paginate" not in query for query in queries)
    assert all(query["limit"] == "100" for query in queries)
    assert [("after" in query) for query in queries] == [False, True, False]


def test_a_walk_of_many_pages_asks_each_once_and_proves_its_end_once(world: PaperWorld) -> None:
    put_fills(world, (moment(1000 * each) for each in range(350)))
    world.forget()

    read(world)

    assert world.asked("fills") == 4 + 1


def test_a_page_that_comes_back_empty_once_hides_nothing(world: PaperWorld) -> None:
    known = put_fills(world, (moment(1000 * each) for each in range(150)))
    world.fail("fills", "short_page")

    assert ids(read(world)) == known


@pytest.mark.parametrize("count", [150, 250])
def test_a_last_page_that_is_always_empty_is_a_contradiction_after_what_is_proven(
    world: PaperWorld, count: int
) -> None:
    put_fills(world, (moment(1000 * each) for each in range(count)))
    world.fail("fills", "short_page", "always")
    pages: list[FillPage] = []

    with pytest.raises(RetryableExchangeError, match="contradict each other"):
        read_into(pages, world)

    assert pages[-1].start > DAY_AGO
    assert len(ids(pages)) == count // 100 * 99


def test_a_page_that_repeats_the_one_before_once_hides_nothing(world: PaperWorld) -> None:
    known = put_fills(world, (moment(1000 * each) for each in range(250)))
    world.fail("fills", "duplicate_page")

    assert ids(read(world)) == known


def test_a_cursor_that_is_always_ignored_is_a_contradiction(world: PaperWorld) -> None:
    put_fills(world, (moment(1000 * each) for each in range(250)))
    world.fail("fills", "duplicate_page", "always")

    with pytest.raises(RetryableExchangeError, match="contradict each other"):
        read(world)


def test_an_empty_list_once_is_not_taken_for_an_empty_window(world: PaperWorld) -> None:
    known = put_fills(world, [moment(1000)])
    world.fail("fills", "empty_list")

    assert ids(read(world)) == known


@pytest.mark.parametrize("kind", ["html_200", "empty_200", "truncated_200", "http_500"])
def test_a_page_that_fails_leaves_the_pages_before_it_proven(world: PaperWorld, kind: str) -> None:
    put_fills(world, (moment(1000 * each) for each in range(250)))
    pages = world.gateway.fetch_fill_pages(InstrumentType.SWAP, start=DAY_AGO, end=NOW)
    first = next(pages)
    world.fail("fills", kind, "always")

    with pytest.raises(RetryableExchangeError):
        next(pages)
    assert len(first.fills) == 99


def test_a_window_from_before_what_is_kept_ends_with_what_cannot_be_had(
    world: PaperWorld,
) -> None:
    known = put_fills(world, [moment(1000), NOW - timedelta(days=80)])
    start = NOW - timedelta(days=200)
    pages: list[FillPage] = []

    with pytest.raises(HistoryUnobtainable, match="keeps fills for 89 days") as caught:
        read_into(pages, world, start)

    assert ids(pages) == known
    assert pages[-1].start == caught.value.before == NOW - timedelta(days=89)


def test_a_window_wholly_from_before_what_is_kept_asks_for_nothing(world: PaperWorld) -> None:
    world.forget()

    with pytest.raises(HistoryUnobtainable):
        read(world, NOW - timedelta(days=200), NOW - timedelta(days=100))
    assert world.asked() == 0


def test_an_instrument_type_that_is_not_read_is_unsupported(world: PaperWorld) -> None:
    gateway = world.connect(options={"instrument_types": ["swap"]})

    with pytest.raises(Unsupported):
        next(iter(gateway.fetch_fill_pages(InstrumentType.SPOT, start=DAY_AGO, end=NOW)))


def test_a_budget_ends_a_walk_after_the_pages_that_it_paid_for(world: PaperWorld) -> None:
    put_fills(world, (moment(1000 * each) for each in range(350)))
    world.gateway.load_instruments()
    world.gateway.begin_cycle(budget_seconds=0.7)
    pages: list[FillPage] = []

    with pytest.raises(ExchangeError, match="time for the network is used up"):
        read_into(pages, world)

    assert 0 < len(pages) < 4
