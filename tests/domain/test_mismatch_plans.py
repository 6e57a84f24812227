"""What becomes of a mismatch: new, seen again, repaired, gone; or nobody looked."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciliation.domain.books import OpenMismatch
from reconciliation.domain.plans.changes import MismatchDraft
from reconciliation.domain.plans.mismatches import MismatchPlan, plan_mismatches
from reconciliation.enums import MismatchKind
from tests.domain.builders import SYMBOL, mismatch

MISSING = "order:1:MISSING_FROM_EXCHANGE"
JUDGED, UNJUDGED = frozenset({1}), frozenset()


def draft(key: str = MISSING, **values: Any) -> MismatchDraft:
    defaults: dict[str, Any] = {
        "key": key,
        "kind": MismatchKind(key.rpartition(":")[2]),
        "profile_id": 1,
        "symbol": SYMBOL,
        "order_id": int(key.split(":")[1]),
        "drift": None,
        "database_side": {},
        "exchange_side": {},
    }
    return MismatchDraft(**{**defaults, **values})


def becomes(
    before: list[OpenMismatch], now: list[MismatchDraft], judged: frozenset[int] = JUDGED
) -> MismatchPlan:
    return plan_mismatches(
        open_before=before, drafts=now, can_see=lambda each: each.order_id in judged
    )


def test_one_that_nobody_saw_before_is_new():
    assert becomes([], [draft()]) == MismatchPlan(new=(draft(),))


def test_one_that_is_repaired_in_the_cycle_that_finds_it_is_new_all_the_same():
    repaired = draft(resolution="repaired")
    assert becomes([], [repaired]) == MismatchPlan(new=(repaired,))


def test_one_that_was_open_and_still_is_was_seen_again():
    assert becomes([mismatch()], [draft()]) == MismatchPlan(again=((mismatch(), draft()),))


def test_one_that_was_open_and_is_repaired_now_is_repaired():
    repaired = draft(resolution="repaired")
    expected = MismatchPlan(repaired=((mismatch(), repaired),))
    assert becomes([mismatch()], [repaired]) == expected


def test_one_whose_order_was_judged_without_it_is_gone():
    assert becomes([mismatch()], []) == MismatchPlan(gone=(mismatch(),))


def test_one_whose_order_nobody_looked_at_stays_as_it_is():
    assert becomes([mismatch()], [], UNJUDGED) == MismatchPlan()


def test_one_without_an_order_is_not_gone_because_orders_were_judged():
    shared = mismatch("symbol:1:ORPHAN_POSITION", order_id=None)
    assert becomes([shared], []) == MismatchPlan()


def test_one_whose_order_was_found_without_being_judged_starts_its_count_anew():
    found = plan_mismatches(
        open_before=[mismatch(not_found_count=3)],
        drafts=[],
        can_see=lambda each: False,
        found_orders=JUDGED,
    )
    assert [each.id for each in found.found] == [1]
    assert (found.gone, found.is_empty) == ((), False)


def test_a_plan_is_empty_only_when_there_is_nothing_to_write():
    repaired = draft(resolution="repaired")
    assert becomes([mismatch()], [], UNJUDGED).is_empty
    assert not becomes([], [draft()]).is_empty
    assert not becomes([mismatch()], [draft()]).is_empty
    assert not becomes([mismatch()], [repaired]).is_empty
    assert not becomes([mismatch()], []).is_empty


def test_an_order_with_a_difference_of_another_kind_no_longer_has_the_first():
    other = draft("order:1:QUANTITY_MISMATCH")
    assert becomes([mismatch()], [other]) == MismatchPlan(new=(other,), gone=(mismatch(),))


keys = st.sampled_from([f"order:{order}:{kind}" for order in (1, 2) for kind in MismatchKind])


@given(
    st.lists(keys, unique=True),
    st.dictionaries(keys, st.sampled_from([None, "repaired"])),
    st.frozensets(st.sampled_from([1, 2])),
)
def test_each_open_and_each_seen_mismatch_ends_up_in_one_place(before, seen, judged):
    was_open = [
        mismatch(key, id=number, order_id=int(key.split(":")[1]))
        for number, key in enumerate(before, start=1)
    ]
    drafts = [draft(key, resolution=resolution) for key, resolution in seen.items()]
    plan = becomes(was_open, drafts, judged)

    again, repaired = [m for m, _ in plan.again], [m for m, _ in plan.repaired]
    accounted = [*again, *repaired, *plan.gone]
    assert len({each.key for each in accounted}) == len(accounted)
    left = {each.key for each in was_open} - {each.key for each in accounted}
    assert all(key not in seen and int(key.split(":")[1]) not in judged for key in left)
    assert {each.key for each in plan.new} == seen.keys() - set(before)
    assert [d for _, d in plan.again if d.resolution is not None] == []
    assert [d for _, d in plan.repaired if d.resolution is None] == []
