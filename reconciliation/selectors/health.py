"""What /internal/health says: flat, in the runbook's own names.

What was never measured is None; counts of the portal's own rows are 0.
"""

from datetime import datetime

from django.db.models import Count, Max, Q

from reconciliation.conf import Conf
from reconciliation.enums import (
    Coverage,
    HealthStatus,
    MismatchKind,
    MismatchStatus,
    RunKind,
    RunStatus,
)
from reconciliation.models import ExchangeAccount, Mismatch, ProfileLease, Run

# A job is stalled when it has not finished for more than this many intervals: schedules have a
# granularity of a minute, so one late run says nothing.
STALLED_AFTER_INTERVALS = 3


def load_health(*, conf: Conf, now: datetime) -> dict[str, object]:
    """Return the health of the portal as of `now`."""
    counts = Mismatch.objects.filter(status=MismatchStatus.OPEN).aggregate(
        mismatches=Count("pk"),
        missing_from_exchange=Count("pk", filter=Q(kind=MismatchKind.MISSING_FROM_EXCHANGE)),
        missing_in_db=Count("pk", filter=Q(kind=MismatchKind.MISSING_IN_DB)),
    )
    accounts = [
        _account_health(account, conf=conf, now=now)
        for account in ExchangeAccount.objects.filter(enabled=True).order_by("name")
    ]
    healthy = bool(accounts) and all(account["loopHealthy"] for account in accounts)
    last_runs = [account["lastRun"] for account in accounts]
    known = [moment for moment in last_runs if isinstance(moment, str)]
    status = HealthStatus.OK
    if not healthy:
        status = HealthStatus.DOWN
    elif counts["mismatches"]:
        status = HealthStatus.DEGRADED
    return {
        "status": str(status),
        "reconciliationLoopHealthy": healthy,
        "reconciliationMismatchCount": counts["mismatches"],
        "reconciliationMissingFromExchange": counts["missing_from_exchange"],
        "reconciliationMissingInDb": counts["missing_in_db"],
        "reconciliationLastRun": min(known) if known and len(known) == len(last_runs) else None,
        "accounts": accounts,
    }


def _account_health(account: ExchangeAccount, *, conf: Conf, now: datetime) -> dict[str, object]:
    # A run of one profile says nothing of the others.
    runs = Run.objects.filter(account=account, kind=RunKind.RECONCILE, only_profile="")
    last = runs.exclude(status=RunStatus.RUNNING).order_by("-started_at", "-pk").first()
    finished_at = runs.filter(status=RunStatus.SUCCEEDED, coverage=Coverage.COMPLETE).aggregate(
        at=Max("finished_at")
    )["at"]
    limit = conf.interval * STALLED_AFTER_INTERVALS
    held = ProfileLease.objects.filter(profile__account=account, expires_at__gt=now)
    return {
        "account": account.name,
        "loopHealthy": finished_at is not None and now - finished_at <= limit,
        "lastRun": None if last is None or last.finished_at is None else _iso(last.finished_at),
        "lastRunStatus": None if last is None else last.status,
        "lastFinishedRun": None if finished_at is None else _iso(finished_at),
        "coverage": None if last is None else last.coverage,
        "ageMs": None if finished_at is None else _milliseconds(now, finished_at),
        "lockHolders": {
            lease.profile.name: lease.holder
            for lease in held.select_related("profile").order_by("profile__name")
        },
    }


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _milliseconds(now: datetime, then: datetime) -> int:
    return int((now - then).total_seconds() * 1000)
