"""A run in words: what it read, how long each step took, what its counters mean, what failed."""

from collections.abc import Iterator, Mapping, Sequence

from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.links import link, link_to
from reconciliation.admin.page import FoldedTable, Lines, Section, Table
from reconciliation.admin.records import words
from reconciliation.enums import Coverage, OrderClass, RunKind, RunStatus
from reconciliation.models import Profile, Run

ROW_ERRORS_SHOWN = 50
_PARTS = {"open_orders": "open orders", "fills": "fills", "positions": "positions"}
_STEPS = {
    "snapshot": "reading the exchange, all parts together",
    "look_ups": "asking for single orders, and for marks",
    "compare": "comparing, and asking again for what is confirmed",
    "apply": "writing, profile by profile",
}
COUNTERS: Mapping[str, str] = {
    "orders": "orders of the database that were compared with the exchange",
    "look_ups": "orders that no list explained, and that were asked for one by one",
    "look_ups_failed": "look-ups that came to nothing: those orders are UNKNOWN",
    "look_ups_waiting": "look-ups carried over: more were due than one run may ask for",
    "mismatches": "differences that were found",
    "written": "corrections and records that were written",
    "dropped": "corrections that were not written, because their rows had changed meanwhile",
    "failed": "corrections that could not be written: see the rows that failed",
    "booked": "corrections by real fills, before a ghost was judged",
    "positions": "positions that were compared",
    "findings": "positions on which both sides differ",
    "not_judged": "positions that were left alone: unknown, or too fresh",
}
_PARTS_OF = {
    RunKind.RECONCILE: (
        *(f"open_orders.{name}" for name in OrderClass.values),
        "fills.spot",
        "fills.swap",
        "positions",
    ),
    RunKind.HEARTBEAT: ("fills.spot", "fills.swap", "positions", "balance"),
}


def part_in_words(part: str) -> str:
    """Return the name of a part of a snapshot as words: `open_orders.oco` → open orders (oco)."""
    subject, _, detail = part.partition(".")
    shown = _PARTS.get(subject, display.visible(subject))
    return f"{shown} ({display.visible(detail)})" if detail else shown


def counts_in_words(counts: Mapping[str, object]) -> str:
    """Return what was counted, for a row of a list; a zero is left out."""
    return display.pairs({name: each for name, each in counts.items() if name != "written"})


def error_in_short(run: Run) -> str:
    """Return the beginning of a run's error, and a way to the rest where there is one."""
    beginning = display.first_line(run.error)
    if not run.error or beginning == display.text(run.error.strip()):
        return beginning
    return format_html("{} {}", beginning, link_to(Run, run.pk, "read on"))


def parts(run: Run) -> Table:
    """Return every part of the exchange that the job can ask for, and what became of it."""
    unread: Mapping[str, object] = run.unread
    known: Sequence[str] = _PARTS_OF.get(RunKind(run.kind), ())
    rows = [[part_in_words(part), *_became(part, run)] for part in known]
    rows += [
        [part_in_words(part), "not read", display.inline_json(why)]
        for part, why in sorted(unread.items())
        if part not in known
    ]
    return Table(
        title="What was read",
        headings=["Part of the exchange", "Read", "Why, or what follows"],
        rows=rows,
        note="A part that was not read is UNKNOWN: nothing was corrected because of it.",
        foreign=True,
    )


def _became(part: str, run: Run) -> tuple[str, str]:
    if part in run.unread:
        return "not read", display.inline_json(run.unread[part])
    if part in run.step_ms:
        return "read", "completely"
    if run.status == RunStatus.RUNNING:
        return "not told yet", "a run tells what it read when it ends"
    if any(name in run.step_ms for name in _PARTS_OF.get(RunKind(run.kind), ())):
        return "not asked", "this exchange, or this account, has no such part"
    if run.coverage == Coverage.NONE:
        return "not reached", "the run ended before it: it is UNKNOWN"
    return "not recorded", "this run kept no list of its parts; its coverage says what it read"


def steps(run: Run) -> Table:
    """Return how long each step took, in the order of the work, and each part of the reading."""
    spent = {name: ms for name, ms in run.step_ms.items() if isinstance(ms, int)}
    order = [*_STEPS, *(name for name in sorted(spent) if name not in _STEPS)]
    longest = max(spent.values(), default=0) or 1
    return Table(
        title="How long it took",
        headings=["Step", "Milliseconds", "Beside the longest"],
        rows=[
            [
                _step_in_words(name),
                f"{spent[name]:,}",
                format_html(
                    '<meter min="0" max="{}" value="{}" aria-label="{} ms">{} ms</meter>',
                    longest,
                    spent[name],
                    spent[name],
                    spent[name],
                ),
            ]
            for name in order
            if name in spent
        ],
        empty="This run has not told how long its steps took.",
        foreign=True,
    )


def _step_in_words(name: str) -> str:
    if name in _STEPS:
        return _STEPS[name]
    return f"reading {part_in_words(name)}"


def counts(run: Run) -> Table:
    """Return every counter of a run with what it counts."""
    return Table(
        title="Counts",
        headings=["Number", "What was counted", "Counter"],
        rows=[
            [display.inline_json(count), COUNTERS.get(name, words(name)), words(name)]
            for name, count in sorted(run.counts.items())
        ],
        empty="This run has counted nothing.",
        foreign=True,
    )


def row_errors(errors: Sequence[object]) -> Iterator[Section]:
    """Yield every row that failed: the first ones open, the others folded, none left out."""
    if not errors:
        return
    shown = [[_row_error(error)] for error in errors]
    hidden = len(errors) - ROW_ERRORS_SHOWN
    yield Table(
        title="Rows that failed",
        headings=["What failed, and why"],
        rows=shown[:ROW_ERRORS_SHOWN],
        note=f"{ROW_ERRORS_SHOWN} are shown; the other {hidden} follow." if hidden > 0 else "",
        foreign=True,
    )
    if hidden > 0:
        yield FoldedTable(
            title="The other rows that failed",
            folded=f"Show the other {hidden}",
            headings=["What failed, and why"],
            rows=shown[ROW_ERRORS_SHOWN:],
        )


def _row_error(error: object) -> str:
    return display.pairs(error) if isinstance(error, dict) else display.inline_json(error)


def skipped(run: Run) -> Table:
    """Return the profiles that the run could not write to, and who has their lock now."""
    names = [str(name) for name in run.skipped_profiles]
    rows = Profile.objects.filter(account=run.account_id, name__in=names).select_related("lease")
    known = {row.name: row for row in rows} if names else {}
    shown = []
    for name in names:
        profile = known.get(name)
        lease = getattr(profile, "lease", None)
        holder = display.text(lease.holder) if lease is not None else display.NOTHING
        shown.append([link(profile) if profile else display.text(name), holder])
    return Table(
        title="Skipped profiles",
        headings=["Profile", "Who has, or had last, its lock"],
        rows=shown,
        empty="No profile was skipped: no other had a reconciliation lock.",
        note="Another holder had their reconciliation lock. The next run does what was left.",
    )


def neighbours(run: Run) -> Lines:
    """Return the runs of the same job and account before and after."""
    same = Run.objects.filter(account=run.account_id, kind=run.kind)
    # By its index on account, job and status an engine would sort all of them: by number, the
    # way to the next one is short.
    before = same.filter(pk__lt=run.pk).order_by("-pk").values_list("pk", flat=True).first()
    after = same.filter(pk__gt=run.pk).order_by("pk").values_list("pk", flat=True).first()
    return Lines(
        title="Runs of this job before and after",
        lines=[
            _way("Previous", before, "this is the first run of the job that is kept"),
            _way("Next", after, "this is the newest run of the job"),
        ],
    )


def _way(words_: str, pk: int | None, otherwise: str) -> str:
    where = otherwise if pk is None else link_to(Run, pk, f"run {pk}")
    return format_html("{}: {}", words_, where)


def carried_over(run: Run) -> str:
    """Return how many look-ups were left to the next run, in words."""
    waiting = run.counts.get("look_ups_waiting", 0)
    if not waiting:
        return "none" if run.kind == RunKind.RECONCILE else display.NOTHING
    return f"{display.inline_json(waiting)}, asked for by the next run, the oldest first"
