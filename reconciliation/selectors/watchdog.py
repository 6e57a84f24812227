"""What the watchdog goes by: open differences, pauses, and how far the end of one is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import OuterRef, Subquery

from reconciliation.conf import Conf
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.gate import Difference
from reconciliation.domain.watchdog import Resume, ResumePolicy, decide_resume, pause_limit
from reconciliation.enums import PauseSource
from reconciliation.models import Pause, Profile, TradeHistory, WatchdogState
from reconciliation.selectors.differences import difference_of, open_differences
from reconciliation.selectors.lists import id_list


def load_open_differences(account_id: int) -> list[Difference]:
    """Return every open mismatch of an account, of either job: one query."""
    rows = open_differences(account_id).values(
        "kind", "symbol", "profile_id", "trade_id", "slices", "held", "streak"
    )
    return [difference_of(**row) for row in rows]


def load_repaired_profiles(run_id: int) -> frozenset[int]:
    """Return the profiles whose books a run has written: it found something, and repaired it."""
    rows = TradeHistory.objects.filter(run_id=run_id).order_by()
    return frozenset(rows.values_list("trade__profile_id", flat=True).distinct())


def load_last_auto_resumes(profile_ids: Iterable[int]) -> dict[int, datetime]:
    """Return when the trading of each profile last went on by itself; it may never have."""
    # The newest of each profile is the first in its index: the others are not read.
    resumed = Pause.objects.filter(profile=OuterRef("pk"), auto_resumed=True)
    newest = Subquery(resumed.order_by("-ended_at").values("ended_at")[:1])
    rows = Profile.objects.filter(pk__in=id_list(profile_ids)).annotate(last=newest)
    found = rows.filter(last__isnull=False).values_list("pk", "last")
    return dict(found.order_by())


def load_resume(pause: Pause, *, conf: Conf, now: datetime) -> Resume:
    """Return every condition of an open pause's end by itself, as of now: two queries."""
    state = WatchdogState.objects.filter(profile_id=pause.profile_id).first()
    return resume_of(
        pause,
        clean_heartbeats=0 if state is None else state.clean_heartbeats,
        last_auto_resume_at=load_last_auto_resumes([pause.profile_id]).get(pause.profile_id),
        conf=conf,
        now=now,
    )


def resume_of(
    pause: Pause,
    *,
    clean_heartbeats: int,
    last_auto_resume_at: datetime | None,
    conf: Conf,
    now: datetime,
) -> Resume:
    """Return every condition of a pause's end by itself, under the settings in force."""
    return decide_resume(
        source=PauseSource(pause.source),
        started_at=pause.started_at,
        clean_heartbeats=clean_heartbeats,
        last_auto_resume_at=last_auto_resume_at,
        policy=ResumePolicy(
            enabled=conf.auto_resume_enabled,
            min_pause=conf.auto_resume_min_pause,
            clean_heartbeats=conf.auto_resume_clean_cycles,
            cooldown=conf.auto_resume_cooldown,
        ),
        now=now,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldPause:
    """A pause that holds, with every condition of its end by itself."""

    pause: Pause
    resume: Resume


def load_held_pauses(
    *, conf: Conf, now: datetime, profile_id: int | None = None
) -> list[HeldPause]:
    """Return the pauses that hold, of all profiles or of one, by name: two queries."""
    rows = Pause.objects.open().defer("evidence", "end_evidence")
    if profile_id is not None:
        rows = rows.filter(profile_id=profile_id)
    rows = rows.select_related("profile__watchdog", "profile__account")
    pauses = list(rows.order_by("profile__name", "source"))
    last = load_last_auto_resumes({pause.profile_id for pause in pauses})
    return [
        HeldPause(
            pause=pause,
            resume=resume_of(
                pause,
                clean_heartbeats=_clean_heartbeats(pause),
                last_auto_resume_at=last.get(pause.profile_id),
                conf=conf,
                now=now,
            ),
        )
        for pause in pauses
    ]


def _clean_heartbeats(pause: Pause) -> int:
    state: WatchdogState | None = getattr(pause.profile, "watchdog", None)
    return 0 if state is None else state.clean_heartbeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """What a profile's mismatches come to against the limit at which the watchdog pauses, in USD.

    `notional_usd` is None where the last heartbeat could not say it, or there was none yet;
    `last_known_usd` is then the last sum that was known, None where none ever was. `as_of` is of
    that heartbeat.
    """

    profile: Profile
    limit_usd: Decimal
    notional_usd: Decimal | None
    last_known_usd: Decimal | None
    as_of: datetime | None


def load_strains(*, conf: Conf, profile_id: int | None = None) -> list[Strain]:
    """Return the strain of every enabled profile, or of one, the unknown and the worst first."""
    rows = Profile.objects.select_related("account", "watchdog").order_by("name")
    if profile_id is not None:
        rows = rows.filter(pk=profile_id)
    else:
        rows = rows.filter(enabled=True, account__enabled=True)
    return sorted((_strain(profile, conf) for profile in rows), key=_worst_first)


def _strain(profile: Profile, conf: Conf) -> Strain:
    state: WatchdogState | None = getattr(profile, "watchdog", None)
    kept = None if state is None else state.notional_usd
    return Strain(
        profile=profile,
        limit_usd=pause_limit(
            allocated_capital_usd=profile.allocated_capital_usd,
            max_notional_pct=conf.max_notional_pct,
        ),
        notional_usd=kept if state is not None and state.is_known else None,
        last_known_usd=kept,
        as_of=None if state is None else state.as_of,
    )


def _worst_first(strain: Strain) -> tuple[bool, Decimal]:
    if strain.notional_usd is None:
        return False, ZERO
    return True, -strain.notional_usd / (strain.limit_usd or Decimal(1))
