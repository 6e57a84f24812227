"""The watchdog: trading stops by itself where the books are too wrong, and goes on once it may."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.domain.keys import canonical_json, evidence_hash
from reconciliation.domain.watchdog import (
    Exposure,
    Streak,
    count_clean,
    decide_pause,
    is_clean,
    pause_evidence,
)
from reconciliation.enums import PauseSource
from reconciliation.handlers.bulk import insert_missing_rows, insert_rows, update_rows
from reconciliation.handlers.runs import fence_run
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import ExchangeAccount, Pause, Profile, WatchdogState
from reconciliation.selectors.lists import id_list
from reconciliation.selectors.watchdog import (
    load_last_auto_resumes,
    load_open_differences,
    load_repaired_profiles,
    resume_of,
)

_STATE_FIELDS = ("notional_usd", "is_known", "clean_heartbeats", "as_of", "run")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """A profile, what a heartbeat saw of it, and its streak with that heartbeat counted."""

    profile: Profile
    exposure: Exposure
    streak: Streak


def record_watchdog(
    *,
    account: ExchangeAccount,
    run_id: int,
    claim_token: UUID,
    exposures: Sequence[Exposure],
    as_of: datetime,
    conf: Conf,
    clock: Clock,
    actor: Actor,
) -> None:
    """Record what a heartbeat saw of each profile; pause and resume those whose turn it is.

    It comes last in a run, and reads the mismatches as the run leaves them. `as_of` is that of the
    run's snapshot. A pause that starts here does not end here. Raises `ClaimLost` where the run
    was taken over; nothing is written then.
    """
    if not exposures:
        return
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), run_id=run_id
    ) as unit:
        fence_run(run_id=run_id, claim_token=claim_token, clock=clock)
        watched = _watch(account, run_id, exposures, as_of, conf)
        open_pauses = {
            pause.profile_id: pause
            for pause in Pause.objects.open()
            .select_for_update(no_key=True)
            .filter(
                source=PauseSource.PARITY_WATCHDOG,
                profile_id__in=id_list(each.profile.pk for each in watched),
            )
            .order_by("pk")
        }
        _start_pauses(
            [each for each in watched if each.profile.pk not in open_pauses],
            account=account,
            run_id=run_id,
            as_of=as_of,
            conf=conf,
            unit=unit,
        )
        _end_pauses(
            [(each, pause) for each in watched if (pause := open_pauses.get(each.profile.pk))],
            account=account,
            conf=conf,
            unit=unit,
        )


def _watch(
    account: ExchangeAccount,
    run_id: int,
    exposures: Sequence[Exposure],
    as_of: datetime,
    conf: Conf,
) -> list[_Watched]:
    """Count the heartbeat for each profile, in order of id; the profiles are locked."""
    by_id = {exposure.profile_id: exposure for exposure in exposures}
    # A person who pauses or resumes takes the same lock first.
    profiles = list(
        Profile.objects.select_for_update(no_key=True)
        .filter(account=account, pk__in=id_list(by_id))
        .order_by("pk")
    )
    states = WatchdogState.objects.in_bulk([profile.pk for profile in profiles])
    differences, repaired = load_open_differences(account.pk), load_repaired_profiles(run_id)
    watched = []
    for profile in profiles:
        state, exposure = states.get(profile.pk), by_id[profile.pk]
        streak = count_clean(
            Streak(
                clean=0 if state is None else state.clean_heartbeats,
                counted_as_of=None if state is None else state.as_of,
            ),
            clean=is_clean(
                exposure,
                has_open_mismatch=any(each.concerns(profile.pk) for each in differences),
                was_repaired=profile.pk in repaired,
            ),
            as_of=as_of,
            interval=conf.interval,
        )
        watched.append(_Watched(profile=profile, exposure=exposure, streak=streak))
    _write_states(watched, states, run_id)
    return watched


def _write_states(
    watched: Sequence[_Watched], states: dict[int, WatchdogState], run_id: int
) -> None:
    """Keep what was seen; where the notional is unknown, the last known one stays."""
    rows = []
    for each in watched:
        before, notional = states.get(each.profile.pk), each.exposure.notional_usd
        if notional is None and before is not None:
            notional = before.notional_usd
        rows.append(
            WatchdogState(
                profile=each.profile,
                notional_usd=notional,
                is_known=each.exposure.is_known and each.exposure.notional_usd is not None,
                clean_heartbeats=each.streak.clean,
                as_of=each.streak.counted_as_of,
                run_id=run_id,
            )
        )
    update_rows(WatchdogState, [row for row in rows if row.pk in states], fields=_STATE_FIELDS)
    insert_missing_rows(
        WatchdogState, [row for row in rows if row.pk not in states], conflict_fields=["profile"]
    )


def _start_pauses(
    watched: Sequence[_Watched],
    *,
    account: ExchangeAccount,
    run_id: int,
    as_of: datetime,
    conf: Conf,
    unit: Unit,
) -> None:
    rows, drafts = [], []
    for each in watched:
        limits = {
            "allocated_capital_usd": each.profile.allocated_capital_usd,
            "max_notional_pct": conf.max_notional_pct,
        }
        if decide_pause(each.exposure, **limits) is not True:
            continue
        evidence = {**pause_evidence(each.exposure, **limits), "as_of": as_of, "run": run_id}
        rows.append(
            Pause(
                profile=each.profile,
                source=PauseSource.PARITY_WATCHDOG,
                reason="the notional of the mismatches exceeds the limit",
                started_at=unit.now,
                evidence=json.loads(canonical_json(evidence)),
            )
        )
        drafts.append(evidence)
    insert_rows(Pause, rows)
    for row, evidence in zip(rows, drafts, strict=True):
        unit.record(
            EventDraft(
                action="pause.started",
                object_type="pause",
                object_id=str(row.pk),
                profile=row.profile.name,
                account=account.name,
                after={"source": row.source, **evidence},
                comment=row.reason,
                evidence=(evidence_hash(evidence),),
            )
        )


def _end_pauses(
    paused: Sequence[tuple[_Watched, Pause]], *, account: ExchangeAccount, conf: Conf, unit: Unit
) -> None:
    if not paused:
        return
    last = load_last_auto_resumes(pause.profile_id for _, pause in paused)
    ended = []
    for each, pause in paused:
        resume = resume_of(
            pause,
            clean_heartbeats=each.streak.clean,
            last_auto_resume_at=last.get(pause.profile_id),
            conf=conf,
            now=unit.now,
        )
        if not resume.may:
            continue
        pause.ended_at, pause.auto_resumed = unit.now, True
        pause.end_reason = "every condition of the auto-resume is met"
        pause.end_evidence = {"conditions": resume.as_data()}
        ended.append(pause)
        unit.record(
            EventDraft(
                action="pause.ended",
                object_type="pause",
                object_id=str(pause.pk),
                profile=each.profile.name,
                account=account.name,
                before={"source": pause.source, "started_at": pause.started_at},
                after={"auto_resumed": True, "conditions": resume.as_data()},
                comment=pause.end_reason,
            )
        )
    update_rows(Pause, ended, fields=["ended_at", "auto_resumed", "end_reason", "end_evidence"])
