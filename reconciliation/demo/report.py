"""What a run did, in a line that a person understands."""

from collections import Counter
from collections.abc import Iterable, Iterator
from textwrap import shorten

from django.db.models import Q

from reconciliation.enums import Coverage, MismatchKind, MismatchStatus, RunKind, RunStatus
from reconciliation.models import Mismatch, Run

WORDS = {
    MismatchKind.MISSING_FROM_EXCHANGE: "no longer open at the exchange",
    MismatchKind.QUANTITY_MISMATCH: "with fills that nobody had booked",
    MismatchKind.STATUS_MISMATCH: "that the exchange shows otherwise",
    MismatchKind.MISSING_IN_DB: "that the database did not know",
}
OF_POSITIONS = {
    MismatchKind.GHOST_POSITION: ("trade", "of which the exchange holds nothing"),
    MismatchKind.POSITION_MISMATCH: ("trade", "of which the exchange holds less"),
    MismatchKind.AMBIGUOUS_OWNERS: ("trade", "whose part of the position nobody can tell"),
    MismatchKind.ORPHAN_POSITION: ("position", "of nobody's"),
}
NAMES = {RunKind.RECONCILE: "run", RunKind.HEARTBEAT: "heartbeat"}
_LONGEST_REASON = 200


class RunWatch:
    """Notices runs that have finished since the last look."""

    def __init__(self) -> None:
        last = Run.objects.order_by("-pk").values_list("pk", flat=True).first()
        self._told_to = last or 0
        self._under_way: set[int] = set(
            Run.objects.filter(status=RunStatus.RUNNING).values_list("pk", flat=True)
        )

    def lines(self) -> Iterator[str]:
        """Yield a line for each run that has finished, in the order in which they began."""
        new = Run.objects.filter(Q(pk__gt=self._told_to) | Q(pk__in=self._under_way))
        for run in new.select_related("account").order_by("pk"):
            self._told_to = max(self._told_to, run.pk)
            if run.status == RunStatus.RUNNING:
                self._under_way.add(run.pk)
                continue
            self._under_way.discard(run.pk)
            name = NAMES.get(RunKind(run.kind), "run")
            yield f"{run.account.name}: {name} {run.pk} {run_text(run)}"


def claims_of_the_dead() -> Iterator[str]:
    """Yield a line for each account that the run of a demo that was killed still holds."""
    for run in Run.objects.filter(status=RunStatus.RUNNING).select_related("account"):
        yield (
            f"{run.account.name}: run {run.pk} of a demo that was killed holds the account until"
            f" {run.claim_expires_at:%H:%M:%S} UTC; then it is reconciled again"
        )


def run_text(run: Run) -> str:
    """Return what a run found and did."""
    if run.status == RunStatus.FAILED:
        return f"FAILED, nothing was changed: {_brief(run.error)}"
    repaired = list(Mismatch.objects.filter(sighting__last_run=run, status=MismatchStatus.RESOLVED))
    waiting = Mismatch.objects.filter(account=run.account, status=MismatchStatus.OPEN)
    parts = [f"repaired {_kinds(repaired)}" if repaired else "nothing to repair"]
    parts.append(f"open: {_kinds(waiting) or 'nothing'}")
    if run.coverage != Coverage.COMPLETE:
        unread = "; ".join(f"{part}: {reason}" for part, reason in run.unread.items())
        parts.append(f"coverage {run.coverage}, {_brief(unread)}")
    parts += [f"not written: {error}" for error in run.row_errors]
    return f"{run.status}; " + "; ".join(parts)


def some(count: int, one: str, many: str = "") -> str:
    """Return a count with its word."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def _brief(reason: str) -> str:
    return shorten(reason, _LONGEST_REASON, placeholder=" …")


def _kinds(mismatches: Iterable[Mismatch]) -> str:
    counts = Counter(MismatchKind(mismatch.kind) for mismatch in mismatches)
    return ", ".join(_kind_text(kind, count) for kind, count in counts.items())


def _kind_text(kind: MismatchKind, count: int) -> str:
    if kind in OF_POSITIONS:
        one, what = OF_POSITIONS[kind]
        return f"{some(count, one)} {what}"
    return f"{some(count, 'order')} {WORDS[kind]}" if kind in WORDS else f"{count} {kind}"
