"""What of an account must be told to a person now, read from the database."""

from collections.abc import Collection, Iterator
from datetime import timedelta

from reconciliation.clock import MOST_AHEAD, Clock
from reconciliation.conf import Conf
from reconciliation.domain.escalations import (
    TWICE,
    Cause,
    LockingRun,
    OpenEscalation,
    SeenMismatch,
    contended_profiles,
    mismatch_persists,
)
from reconciliation.domain.streaks import MOST_FRESH
from reconciliation.enums import (
    Coverage,
    EscalationKind,
    MismatchKind,
    MismatchStatus,
    NoGoReason,
    PauseSource,
    QuarantineReason,
    RunKind,
    RunStatus,
    TradeStatus,
)
from reconciliation.models import (
    BackfillCandidate,
    Escalation,
    ExchangeAccount,
    Mismatch,
    ParityWatch,
    Pause,
    Profile,
    ReviewItem,
    Run,
)
from reconciliation.selectors.portal import STALLED_AFTER_INTERVALS, is_in_time

# The account's newest runs that are looked at for skips of either job.
RUNS_LOOKED_AT = 40


def load_open_escalations(account_id: int | None) -> list[OpenEscalation]:
    """Return the unresolved escalations of an account, or those of the portal itself."""
    rows = Escalation.objects.unresolved().filter(account_id=account_id).order_by("pk")
    return [
        OpenEscalation(id=pk, kind=EscalationKind(kind), key=key)
        for pk, kind, key in rows.values_list("pk", "kind", "key")
    ]


def load_causes(
    *,
    account: ExchangeAccount,
    judged: Collection[EscalationKind],
    conf: Conf,
    clock: Clock,
) -> list[Cause]:
    """Return the causes of the kinds asked for; the number of queries is constant."""
    causes: list[Cause] = []
    if EscalationKind.LOOP_STALLED in judged:
        causes += _stalled(account, conf, clock)
    if EscalationKind.LOCK_CONTENTION in judged:
        causes += _contended(account)
    if EscalationKind.WATCHDOG_TRIGGERED in judged:
        causes += _watchdog(account)
    if EscalationKind.MASS_MISMATCH in judged:
        causes += _mass(account)
    if EscalationKind.STALE_FILLS in judged:
        causes += _stale_fills(account)
    if {EscalationKind.PERSISTENT_MISMATCH, EscalationKind.UNKNOWN_FILLS} & set(judged):
        causes += _of_mismatches(account, conf)
        causes += _too_busy(account)
    return causes


def _stalled(account: ExchangeAccount, conf: Conf, clock: Clock) -> Iterator[Cause]:
    """Yield that no cycle finished in time; one that never did is measured from the first run.

    A loop that never began, or an account that is disabled, is not stalled.
    """
    if not account.enabled:
        return
    now = clock.now()
    runs = Run.objects.filter(account=account, kind=RunKind.RECONCILE, only_profile="")
    complete = runs.filter(
        status=RunStatus.SUCCEEDED, coverage=Coverage.COMPLETE, started_at__lte=now + MOST_AHEAD
    )
    newest = complete.order_by("-started_at").values_list("finished_at", flat=True)[:1]
    since = next(iter(newest), None)
    if since is None:
        since = next(iter(runs.order_by("pk").values_list("started_at", flat=True)[:1]), None)
    if since is None or is_in_time(since, conf=conf, now=now):
        return
    limit = conf.interval * STALLED_AFTER_INTERVALS // timedelta(seconds=1)
    yield Cause(
        kind=EscalationKind.LOOP_STALLED,
        about=f"account {account.pk}",
        says=f"{account.name}: no reconciliation cycle has finished for more than {limit} s",
        detail={"since": since.isoformat()},
    )


def _contended(account: ExchangeAccount) -> Iterator[Cause]:
    # A run that failed did not come as far as the locks: it says nothing of them.
    rows = Run.objects.filter(account=account, only_profile="").exclude(
        status__in=[RunStatus.RUNNING, RunStatus.FAILED]
    )
    # By key: an account's runs lie in that order in the index, and no two of a job overlap.
    newest = rows.order_by("-pk").values_list("kind", "skipped_profiles")
    runs = [
        LockingRun(kind=RunKind(kind), skipped=frozenset(skipped))
        for kind, skipped in newest[:RUNS_LOOKED_AT]
    ]
    jobs: dict[str, list[str]] = {}
    for kind in RunKind:
        for name in contended_profiles(runs, kind):
            jobs.setdefault(name, []).append(kind)
    for profile in Profile.objects.filter(account=account, enabled=True).order_by("pk"):
        if profile.name in jobs:
            yield Cause(
                kind=EscalationKind.LOCK_CONTENTION,
                about=f"profile {profile.pk}",
                says=f"{profile.name}: two runs in a row found its lock held by another",
                profile_id=profile.pk,
                detail={"jobs": jobs[profile.name]},
            )


def _watchdog(account: ExchangeAccount) -> Iterator[Cause]:
    paused = Pause.objects.open().filter(source=PauseSource.PARITY_WATCHDOG)
    for pause in paused.filter(profile__account=account).select_related("profile").order_by("pk"):
        yield Cause(
            kind=EscalationKind.WATCHDOG_TRIGGERED,
            about=f"profile {pause.profile_id}",
            says=f"{pause.profile.name}: the integrity watchdog has stopped its trading",
            profile_id=pause.profile_id,
            detail={"pause": pause.pk, "started_at": pause.started_at.isoformat()},
        )


def _mass(account: ExchangeAccount) -> Iterator[Cause]:
    waiting = ReviewItem.objects.waiting().filter(
        account=account, reason=QuarantineReason.MASS_MISMATCH
    )
    trades = list(waiting.order_by("pk").values_list("trade__trade_id", flat=True))
    if trades:
        yield Cause(
            kind=EscalationKind.MASS_MISMATCH,
            about=f"account {account.pk}",
            says=f"{account.name}: more ghosts at once than may be closed without a person",
            detail={"trades": trades},
        )


def _stale_fills(account: ExchangeAccount) -> Iterator[Cause]:
    waiting = BackfillCandidate.objects.waiting().filter(account=account).order_by("pk")
    fills: dict[tuple[int | None, str | None], list[str]] = {}
    for profile_id, name, fill_id, reasons in waiting.values_list(
        "profile_id", "profile__name", "fill__exchange_fill_id", "reasons"
    ):
        if NoGoReason.STALE_FILL in reasons:
            fills.setdefault((profile_id, name), []).append(fill_id)
    for (owner, named), ids in fills.items():
        yield Cause(
            kind=EscalationKind.STALE_FILLS,
            about=f"account {account.pk}" if owner is None else f"profile {owner}",
            says=f"{named or account.name}: the exchange reports exits older than their slices",
            profile_id=owner,
            detail={"fills": ids},
        )


def _of_mismatches(account: ExchangeAccount, conf: Conf) -> Iterator[Cause]:
    rows = Mismatch.objects.current().filter(status=MismatchStatus.OPEN, account=account)
    related = rows.select_related("sighting", "profile", "trade").defer(
        "database_side", "exchange_side"
    )
    after = _cycles_after(account)
    unknown_fills: list[str] = []
    for row in related.order_by("pk"):
        if row.kind == MismatchKind.UNATTRIBUTED_FILL:
            unknown_fills.append(row.key)
        # A row without a sighting was written by nobody who saw it.
        sighting = getattr(row, "sighting", None)
        seen = SeenMismatch(
            kind=MismatchKind(row.kind),
            sightings=0 if sighting is None else sighting.count,
            cycles_since=sum(pk > row.first_run_id for pk in after),
            streak=0 if sighting is None else sighting.streak,
            is_quarantined=row.trade is not None and row.trade.status == TradeStatus.QUARANTINED,
        )
        if mismatch_persists(seen, confirmations=conf.parity_confirmations):
            owner = account.name if row.profile is None else row.profile.name
            yield Cause(
                kind=EscalationKind.PERSISTENT_MISMATCH,
                about=f"mismatch {row.pk}",
                says=f"{owner}: {row.kind} in {row.symbol} stays after two cycles",
                profile_id=row.profile_id,
                detail={"mismatch": row.pk, "kind": row.kind, "key": row.key},
            )
    if unknown_fills:
        yield Cause(
            kind=EscalationKind.UNKNOWN_FILLS,
            about=f"account {account.pk}",
            says=f"{account.name}: fills that no profile owns wait for a person",
            detail={"fills": unknown_fills},
        )


def _too_busy(account: ExchangeAccount) -> Iterator[Cause]:
    """Yield the positions that fresh activity has kept from being judged for too long."""
    rows = ParityWatch.objects.filter(account=account, fresh_count__gt=MOST_FRESH).order_by("pk")
    for symbol, side in rows.values_list("symbol", "side"):
        yield Cause(
            kind=EscalationKind.PERSISTENT_MISMATCH,
            about=f"account {account.pk} position {symbol} {side}",
            says=f"{account.name}: {symbol} is too busy for its position to be judged",
            detail={"symbol": symbol, "side": side},
        )


def _cycles_after(account: ExchangeAccount) -> list[int]:
    """Return the keys of the newest finished cycles of the loop, as many as are asked about."""
    finished = Run.objects.filter(
        account=account,
        kind=RunKind.RECONCILE,
        status=RunStatus.SUCCEEDED,
        coverage=Coverage.COMPLETE,
        only_profile="",
    )
    return list(finished.order_by("-started_at").values_list("pk", flat=True)[:TWICE])
