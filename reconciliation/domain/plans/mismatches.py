"""What becomes of mismatches after a cycle: new ones, seen again, resolved."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from reconciliation.domain.books import OpenMismatch
from reconciliation.domain.keys import evidence_hash
from reconciliation.domain.plans.changes import MismatchDraft


@dataclass(frozen=True, slots=True, kw_only=True)
class MismatchPlan:
    """`new` are seen for the first time (a repaired one too), `again` were open before.

    `repaired` were open and are repaired by this very change; `gone` were open, could be seen
    now, and are not there any more.
    """

    new: tuple[MismatchDraft, ...] = ()
    again: tuple[tuple[OpenMismatch, MismatchDraft], ...] = ()
    repaired: tuple[tuple[OpenMismatch, MismatchDraft], ...] = ()
    gone: tuple[OpenMismatch, ...] = ()
    found: tuple[OpenMismatch, ...] = ()
    """Of orders that were found after all: what counts towards "no such order" starts anew."""

    @property
    def is_empty(self) -> bool:
        """Return whether there is nothing to write."""
        return not (self.new or self.again or self.repaired or self.gone or self.found)


def plan_mismatches(
    *,
    open_before: Iterable[OpenMismatch],
    drafts: Iterable[MismatchDraft],
    can_see: Callable[[OpenMismatch], bool],
    found_orders: frozenset[int] = frozenset(),
) -> MismatchPlan:
    """Compare what was open with what is seen now.

    `can_see` says of a mismatch whether both of its sides were known in this cycle: another one
    stays as it is, because nobody looked.
    """
    every = list(open_before)
    seen = {draft.key: draft for draft in drafts}
    # What a person accepted is over where it is seen otherwise: the new one asks again.
    outdated = tuple(each for each in every if _is_outdated(each, seen.get(each.key)))
    before = {mismatch.key: mismatch for mismatch in every if mismatch not in outdated}
    return MismatchPlan(
        new=tuple(draft for key, draft in seen.items() if key not in before),
        again=tuple(
            (before[key], draft)
            for key, draft in seen.items()
            if key in before and draft.resolution is None
        ),
        repaired=tuple(
            (before[key], draft)
            for key, draft in seen.items()
            if key in before and draft.resolution is not None
        ),
        gone=(
            *outdated,
            *(m for key, m in before.items() if key not in seen and can_see(m)),
        ),
        found=tuple(
            mismatch
            for key, mismatch in before.items()
            if key not in seen
            and not can_see(mismatch)
            and mismatch.not_found_count > 0
            and mismatch.order_id in found_orders
        ),
    )


def _is_outdated(mismatch: OpenMismatch, draft: MismatchDraft | None) -> bool:
    """Return whether a person accepted a difference that is another one now."""
    if draft is None or draft.sameness is None or not mismatch.is_accepted:
        return False
    return evidence_hash(draft.sameness) != mismatch.evidence_hash
