"""How each account's jobs are doing: their last runs, the last complete one, held locks.

The number of queries is the same for any number of accounts, and each asks an index for a
job's newest rows, so that it does not grow with the runs of the past.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any

from django.db.models import Count, DateTimeField, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest

from reconciliation.clock import MOST_AHEAD, Clock
from reconciliation.enums import Coverage, RunKind, RunStatus
from reconciliation.models import ExchangeAccount, Run
from reconciliation.selectors.lists import id_list
from reconciliation.selectors.locks import HeldLease, load_held_leases

_ENDED = tuple(status for status in RunStatus if status != RunStatus.RUNNING)
_READ = (RunStatus.SUCCEEDED, RunStatus.PARTIAL)
_NEVER = Value(datetime(1970, 1, 1, tzinfo=UTC), output_field=DateTimeField())


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of an account; a run that was narrowed to one profile says nothing of it.

    `last` is the newest run that ended, `last_complete` the newest that read and wrote all;
    `skips` counts the newest runs in a row that found every lock held by another. `has_read` says
    whether any run ever read at least some of what the job needs.
    """

    last: Run | None
    last_complete: Run | None
    skips: int
    has_read: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLoop:
    """An enabled account with its jobs and the locks that are held on its profiles."""

    account_id: int
    account: str
    jobs: Mapping[RunKind, Job]
    locks: tuple[HeldLease, ...]


def load_loops(*, clock: Clock) -> list[AccountLoop]:
    """Return every enabled account, by name, as of now: three queries."""
    accounts = _accounts(clock.now() + MOST_AHEAD)
    ids = {
        run_id
        for account in accounts
        for name, run_id in account.items()
        if name.endswith(("_last", "_complete")) and run_id is not None
    }
    wanted = ("account_id", "kind", "status", "coverage", "started_at", "finished_at")
    rows = Run.objects.filter(pk__in=id_list(ids)).only(*wanted, "error", "unread")
    runs = {run.pk: run for run in rows}
    held = load_held_leases(clock=clock)
    return [
        AccountLoop(
            account_id=account["pk"],
            account=account["name"],
            jobs={kind: _job(account, kind, runs) for kind in RunKind},
            locks=tuple(lease for lease in held if lease.account == account["name"]),
        )
        for account in accounts
    ]


def _accounts(until: datetime) -> list[Mapping[str, Any]]:
    """Return id and name of each enabled account with the newest run of each job and status.

    Runs that began after `until` are left out: a clock that was wrong for a moment must not hide
    for days that there are none.
    """
    newest = {
        f"{kind}_{status}_last": _first(_runs(kind, until).filter(status=status), "pk")
        for kind, status in product(RunKind, _ENDED)
    }
    complete = {
        f"{kind}_complete": _first(
            _runs(kind, until).filter(status=RunStatus.SUCCEEDED, coverage=Coverage.COMPLETE), "pk"
        )
        for kind in RunKind
    }
    skips = {f"{kind}_skips": _skips(kind, until) for kind in RunKind}
    rows = ExchangeAccount.objects.filter(enabled=True).order_by("name")
    return [*rows.values("pk", "name", **newest, **complete, **skips)]


def _runs(kind: RunKind, until: datetime) -> QuerySet[Run]:
    runs = Run.objects.filter(
        account=OuterRef("pk"), kind=kind, only_profile="", started_at__lte=until
    )
    # By nothing else, so that the order is that of the index `run_last_by_status`; of one job of
    # an account no two runs begin at once.
    return runs.order_by("-started_at")


def _first(runs: QuerySet[Run], column: str) -> Subquery:
    return Subquery(runs.values(column)[:1])


def _skips(kind: RunKind, until: datetime) -> Subquery:
    """Count the runs that were skipped since the newest that was not."""
    worked = Greatest(
        *(
            Coalesce(_first(_runs(kind, until).filter(status=status), "started_at"), _NEVER)
            for status in _ENDED
            if status != RunStatus.SKIPPED_LOCKED
        )
    )
    # The moment belongs to the account, so it is asked for beside it and not once a skipped run.
    skipped = (
        Run.objects.filter(kind=kind, status=RunStatus.SKIPPED_LOCKED, only_profile="")
        .filter(account=OuterRef("pk"), started_at__gt=OuterRef("worked_at"))
        .filter(started_at__lte=until)
        .order_by()
        .values("account")
        .annotate(skips=Count("pk"))
    )
    of_account = ExchangeAccount.objects.filter(pk=OuterRef("pk")).annotate(worked_at=worked)
    return Subquery(of_account.values(counted=Coalesce(Subquery(skipped.values("skips")), 0)))


def _job(account: Mapping[str, Any], kind: RunKind, runs: Mapping[int, Run]) -> Job:
    ids = (account[f"{kind}_{status}_last"] for status in _ENDED)
    # A run may have been deleted between the two queries; it is then as if it had never been.
    ended = [runs[run_id] for run_id in ids if run_id in runs]
    return Job(
        last=max(ended, key=lambda run: (run.started_at, run.pk), default=None),
        last_complete=runs.get(account[f"{kind}_complete"]),
        skips=account[f"{kind}_skips"],
        has_read=any(account[f"{kind}_{status}_last"] is not None for status in _READ),
    )
