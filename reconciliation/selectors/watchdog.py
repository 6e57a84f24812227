"""What the watchdog goes by: open differences, pauses, and how far the end of one is."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import Max

from reconciliation.conf import Conf
from reconciliation.domain.gate import Difference
from reconciliation.domain.watchdog import Resume, ResumePolicy, decide_resume
from reconciliation.enums import PauseSource
from reconciliation.models import Pause, TradeHistory, WatchdogState
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
    rows = Pause.objects.filter(profile_id__in=id_list(profile_ids), auto_resumed=True).order_by()
    found: Mapping[int, datetime] = dict(
        rows.values_list("profile_id").annotate(last=Max("ended_at"))
    )
    return dict(found)


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
