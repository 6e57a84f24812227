"""What a cycle did, in a line that a person understands."""

from collections import Counter
from collections.abc import Callable, Iterable

from reconciliation.cycles.outcome import RunOutcome
from reconciliation.domain.audit import verify
from reconciliation.enums import Coverage, MismatchKind, MismatchStatus, RunStatus
from reconciliation.models import Mismatch, Run
from reconciliation.selectors.audit import ChainReader

WORDS = {
    MismatchKind.MISSING_FROM_EXCHANGE: "no longer open at the exchange",
    MismatchKind.QUANTITY_MISMATCH: "with fills that nobody had booked",
    MismatchKind.STATUS_MISMATCH: "that the exchange shows otherwise",
    MismatchKind.MISSING_IN_DB: "that the database did not know",
}
# The whole chain is checked again when this many times its last duration has passed.
_REST_FACTOR = 20


def cycle_text(outcome: RunOutcome) -> str:
    """Return what a cycle found and did."""
    if outcome.status == RunStatus.SKIPPED_LOCKED:
        return _waiting(outcome)
    if outcome.status == RunStatus.FAILED:
        return f"FAILED, nothing was changed: {outcome.error}"
    found = list(Mismatch.objects.filter(sighting__last_run_id=outcome.run_id).order_by("pk"))
    repaired = [each for each in found if each.status == MismatchStatus.RESOLVED]
    waiting = [each for each in found if each.status != MismatchStatus.RESOLVED]
    parts = [
        f"{some(len(group), 'mismatch', 'mismatches')} {words}: {_kinds(group)}"
        for group, words in ((repaired, "found and repaired"), (waiting, "not repaired yet"))
        if group
    ]
    if not found:
        parts.append(f"no mismatch in {some(outcome.counts.get('orders', 0), 'order')}")
    if outcome.coverage != Coverage.COMPLETE:
        unread = ", ".join(f"{part}: {reason}" for part, reason in outcome.unread.items())
        parts.append(f"coverage {outcome.coverage} {unread}".rstrip())
    parts += [f"not written: {error}" for error in outcome.row_errors]
    return "; ".join(parts)


def some(count: int, one: str, many: str = "") -> str:
    """Return a count with its word."""
    return f"{count} {one if count == 1 else many or one + 's'}"


class ChainWatch:
    """Checks the audit chain from its first event to its last, as often as it takes no time."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._next = 0.0
        self._last = ""

    def text(self) -> str:
        """Return whether the chain is intact, by a check of now or of shortly before."""
        started = self._monotonic()
        if started < self._next:
            return f"{self._last} when last checked"
        reader = ChainReader()
        report = verify(reader.rows(), head=reader.head)
        ended = self._monotonic()
        self._next = ended + (ended - started) * _REST_FACTOR
        if report.intact:
            self._last = f"audit chain intact ({some(report.count, 'event')})"
        else:
            self._last = f"AUDIT CHAIN BROKEN at sequence {report.broken_at}: {report.detail}"
        return self._last


def _kinds(mismatches: Iterable[Mismatch]) -> str:
    counts = Counter(MismatchKind(mismatch.kind) for mismatch in mismatches)
    return ", ".join(
        f"{some(count, 'order')} {WORDS[kind]}" if kind in WORDS else f"{count} {kind}"
        for kind, count in counts.items()
    )


def _waiting(outcome: RunOutcome) -> str:
    run = Run.objects.filter(account__name=outcome.account, status=RunStatus.RUNNING).first()
    if outcome.run_id is not None or run is None:
        return f"skipped: {outcome.error}"
    return (
        "waiting: the run of a demo that was killed still holds the account until"
        f" {run.claim_expires_at:%H:%M:%S} UTC (or start again with --fresh)"
    )
