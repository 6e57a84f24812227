"""When the jobs run: one table, applied by `manage.py sync_schedules`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction
from django_q.models import Schedule

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import Actor
from reconciliation.domain.checkpoints import CHECKPOINT_EVERY, VERIFIED_EVERY
from reconciliation.handlers.schedules import note_schedules
from reconciliation.selectors.schedules import switched_off

MINUTE = timedelta(minutes=1)
# A schedule that calls one of these is ours; what others have added to the queue is left alone.
OURS = "reconciliation.tasks."
# Schedules are looked at every half minute: one that is due for so long is not being fired.
LATE = 2 * MINUTE


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job that recurs: its task by dotted name, every so many minutes, and what it is for."""

    name: str
    task: str
    minutes: int
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedSchedule:
    """What became of one schedule; `changes` says what was repaired."""

    name: str
    outcome: Literal["created", "repaired", "deleted", "unchanged"]
    changes: tuple[str, ...] = ()


class NotInMinutes(ValueError):
    """The interval cannot be kept by the queue, whose schedules count in whole minutes."""


def jobs(conf: Conf) -> tuple[Job, ...]:
    """Return the table; raises `NotInMinutes` for an interval that is no multiple of a minute."""
    return (
        Job(
            name="reconcile",
            task=f"{OURS}reconcile_all",
            minutes=interval_minutes(conf),
            meaning="Compare every enabled account with its exchange, one task an account.",
        ),
        Job(
            name="heartbeat",
            task=f"{OURS}heartbeat_all",
            minutes=interval_minutes(conf),
            meaning="Compare what every account holds with its slices, one task an account.",
        ),
        Job(
            name="watch",
            task=f"{OURS}watch_loops",
            minutes=1,
            meaning="Tell a person of a stalled loop, also where no exchange can be reached.",
        ),
        Job(
            name="verify_audit",
            task=f"{OURS}verify_audit",
            minutes=VERIFIED_EVERY // MINUTE,
            meaning="Check the whole audit chain, and against its newest checkpoint.",
        ),
        Job(
            name="checkpoint_audit",
            task=f"{OURS}checkpoint_audit",
            minutes=CHECKPOINT_EVERY // MINUTE,
            meaning="Sign the end of the audit chain and keep it outside the database.",
        ),
    )


def interval_minutes(conf: Conf) -> int:
    """Return RECON_INTERVAL_SECONDS in minutes; raises `NotInMinutes`."""
    minutes, rest = divmod(conf.interval, MINUTE)
    if rest:
        raise NotInMinutes(
            f"RECON_INTERVAL_SECONDS: {conf.interval // timedelta(seconds=1)} is not a multiple of"
            " 60: schedules count in whole minutes; for example RECON_INTERVAL_SECONDS=60"
        )
    return minutes


def sync_schedules(
    table: Sequence[Job], *, now: datetime, leave: Collection[str] = ()
) -> list[SyncedSchedule]:
    """Make the queue's schedules what the table says; return what was done with each of ours.

    Those to `leave` are not touched: a person has switched them off.

    Nobody's hand on a schedule outlives it: one that was switched off, moved or doubled is made as
    it should be. The rows are locked, so that a scheduler that is at work never writes an old one
    back.
    """
    by_name = {job.name: job for job in table if job.name not in leave}
    done: list[SyncedSchedule] = []
    with transaction.atomic():
        found: dict[str, Schedule] = {}
        for row in Schedule.objects.select_for_update().order_by("pk"):
            if row.name in leave:
                continue
            if row.name in by_name and row.name not in found:
                found[row.name] = row
            elif row.name in by_name or _is_ours(row):
                row.delete()
                done.append(SyncedSchedule(name=row.name or row.func, outcome="deleted"))
        for name, job in by_name.items():
            if name not in found:
                Schedule.objects.create(**_as_it_should_be(job), name=name, next_run=now)
                done.append(SyncedSchedule(name=name, outcome="created"))
            else:
                changes = _repair(found[name], job, now)
                outcome: Literal["repaired", "unchanged"] = "repaired" if changes else "unchanged"
                done.append(SyncedSchedule(name=name, outcome=outcome, changes=changes))
    return sorted(done, key=lambda each: each.name)


def load_next_runs() -> dict[str, datetime]:
    """Return when each of our recurring tasks is queued next, by its dotted name: one query."""
    rows = Schedule.objects.filter(func__startswith=OURS).exclude(repeats=0)
    found: dict[str, datetime] = {}
    for func, next_run in rows.values_list("func", "next_run"):
        if next_run is not None:
            found[func] = min(next_run, found.get(func, next_run))
    return found


def mind_schedules(
    table: Sequence[Job], *, clock: Clock, actor: Actor, after_start: bool = False
) -> list[SyncedSchedule]:
    """Tell a person of each job that is off, then repair those that nobody switched off here.

    `after_start`: the portal has just started, which switches on what a person had switched off.
    """
    if after_start:
        done = sync_schedules(table, now=clock.now())
        note_schedules(off={}, clock=clock, actor=actor)
        return done
    off = _found_off(table)
    note_schedules(off=off, clock=clock, actor=actor)
    leave = switched_off()
    if off.keys() <= leave.keys():
        return []
    return sync_schedules(table, now=clock.now(), leave=leave)


def _found_off(table: Sequence[Job]) -> dict[str, str]:
    """Return the jobs that no schedule calls for ever, with how each was found."""
    rows = Schedule.objects.filter(name__in=[job.name for job in table])
    repeats = dict(rows.order_by("-pk").values_list("name", "repeats"))
    off = {job.name: "its schedule is gone" for job in table if job.name not in repeats}
    off |= {name: "its schedule recurs no more" for name, left in repeats.items() if left == 0}
    return off


def neglected(tasks: Collection[str], *, now: datetime) -> list[str]:
    """Return those of some recurring tasks that no schedule queues in time.

    Theirs is gone, switched off, put off further than its own interval (a clock that was wrong for
    a moment does that), or due for longer than `LATE`: one broken schedule keeps the queue from
    firing any other. What a person switched off is left off.
    """
    rows = Schedule.objects.filter(func__in=tasks, next_run__gte=now - LATE).exclude(repeats=0)
    in_time = {row.func for row in rows if row.next_run <= now + (row.minutes or 0) * MINUTE}
    off = Schedule.objects.filter(name__in=switched_off(), func__in=tasks, repeats=0)
    in_time |= set(off.values_list("func", flat=True))
    return [task for task in tasks if task not in in_time]


def _is_ours(row: Schedule) -> bool:
    """Return whether a schedule recurs and calls a job; what is due once takes itself away."""
    return bool(row.func.startswith(OURS) and row.schedule_type != Schedule.ONCE)


def _as_it_should_be(job: Job) -> dict[str, object]:
    return {
        "func": job.task,
        "schedule_type": Schedule.MINUTES,
        "minutes": job.minutes,
        "repeats": -1,
        "args": None,
        "kwargs": None,
        "hook": None,
        "cluster": None,
        "intended_date_kwarg": None,
    }


def _repair(row: Schedule, job: Job, now: datetime) -> tuple[str, ...]:
    """Correct what differs and save it; return the differences in words."""
    wanted = _as_it_should_be(job)
    # Further away than one interval it was put off by hand; without a moment it never fires.
    if row.next_run is None or row.next_run > now + job.minutes * MINUTE:
        wanted["next_run"] = now
    changes = []
    for field, value in wanted.items():
        old = getattr(row, field)
        if old != value:
            changes.append(f"{field}: {old} → {value}")
            setattr(row, field, value)
    if changes:
        row.save()
    return tuple(changes)
