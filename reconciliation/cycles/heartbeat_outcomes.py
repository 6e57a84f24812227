"""What a heartbeat keeps and writes of what it saw: readings, streaks, corrections, mismatches."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

from reconciliation.cycles.confirmed import Judged, in_words
from reconciliation.cycles.holdings import HoldingsRead
from reconciliation.cycles.ports import Ports
from reconciliation.domain.amounts import ZERO
from reconciliation.domain.audit import system_actor
from reconciliation.domain.books import KeptFill, OpenMismatch, TradeState
from reconciliation.domain.parity import FINDINGS, Finding, PositionKey
from reconciliation.domain.parity_books import ParityBooks
from reconciliation.domain.plans.changes import Change, MismatchDraft
from reconciliation.domain.plans.parity import (
    KEY_PREFIX,
    closing_fills_of,
    draft_mismatches,
)
from reconciliation.domain.plans.verdicts import plan_releases, plan_verdict
from reconciliation.domain.streaks import Streak
from reconciliation.enums import (
    CycleStep,
    MismatchKind,
    ParityKind,
)
from reconciliation.handlers.account_level import apply_nobodys
from reconciliation.handlers.apply import ApplyContext
from reconciliation.handlers.leases import Lease, LockLost, holding, take_lease
from reconciliation.handlers.marks import keep_marks
from reconciliation.handlers.parity import (
    JudgedSlices,
    ReadingDraft,
    apply_parity,
    end_acceptances,
    keep_readings,
)
from reconciliation.handlers.runs import ClaimLost, RunRecord
from reconciliation.handlers.watchdog import record_watchdog
from reconciliation.models import ExchangeAccount, Profile, Run
from reconciliation.selectors.exposures import load_exposures

logger = logging.getLogger(__name__)
ACTOR = system_actor("heartbeat")
# Positions of which nothing was learned: an open mismatch of one stays as it is.
NOT_JUDGED = frozenset({ParityKind.UNKNOWN, ParityKind.FRESH})


@dataclass(slots=True)
class Seen:
    """What one position came to in this heartbeat; `outcomes` say what was done about it."""

    finding: Finding | None
    kind: ParityKind
    streak: Streak
    outcomes: list[str] = field(default_factory=list)
    evidence: dict[str, object] = field(default_factory=dict)


class Outcomes:
    """Everything that one heartbeat leaves behind."""

    def __init__(
        self,
        *,
        account: ExchangeAccount,
        ports: Ports,
        run: Run,
        record: RunRecord,
        books: ParityBooks,
        read: HoldingsRead,
        seen: Mapping[PositionKey, Seen],
        judged: Sequence[Judged],
    ) -> None:
        self.account = account
        self.ports = ports
        self.conf = ports.conf
        self.run_row = run
        self.record = record
        self.books = books
        self.read = read
        self.seen = seen
        self.judged = judged
        for each in judged:
            words = in_words(each)
            outcome = f"dry run, would be: {words}" if self.conf.parity_dry_run else words
            self._seen_of(each.finding).outcomes.append(outcome)
            self._seen_of(each.finding).evidence.setdefault("verdicts", {})[each.trade.trade_id] = {  # type: ignore[index]
                "verdict": words,
                **each.facts,
            }

    def _seen_of(self, finding: Finding) -> Seen:
        return self.seen[finding.holding.key]

    def keep(self) -> None:
        """Keep streaks, both sides of what does not agree, and marks: observation, no state."""
        keep_readings(
            account=self.account,
            run_id=self.run_row.pk,
            readings=[self._reading(key, each) for key, each in self.seen.items()],
            as_of=self.read.as_of,
            is_dry_run=self.conf.parity_dry_run,
        )
        keep_marks(account_id=self.account.pk, marks=self.read.marks, as_of=self.read.as_of)

    def _reading(self, key: PositionKey, each: Seen) -> ReadingDraft:
        shown = None if each.finding is None else each.finding.holding
        return ReadingDraft(
            key=key,
            kind=each.kind,
            streak=each.streak,
            virtual=None if shown is None else shown.virtual,
            actual=None if shown is None else shown.actual,
            mark=None if shown is None else shown.mark,
            outcome="\n".join(each.outcomes),
            evidence=each.evidence,
        )

    def apply(self) -> None:
        """Write the corrections and mismatches of each profile, then those of the account.

        All locks are taken before the first write, in order of profile: a decision on a position
        rests on every profile that has a slice in it.
        """
        skipped: list[str] = []
        totals = {"written": 0, "dropped": 0, "failed": 0}
        with ExitStack() as locks:
            leases: list[tuple[Profile, Lease]] = []
            for profile in Profile.objects.filter(account=self.account, enabled=True).order_by(
                "pk"
            ):
                lease = take_lease(
                    profile_id=profile.pk,
                    holder=f"heartbeat run {self.run_row.pk}",
                    ttl=self.conf.lock_ttl,
                    clock=self.ports.clock,
                )
                if lease is None:
                    skipped.append(profile.name)
                    continue
                locks.enter_context(holding(lease))
                leases.append((profile, lease))
            self.ports.reach(CycleStep.LOCK)
            judged_slices = self._judged_slices(skipped)
            for profile, lease in leases:
                self._apply_to(profile, lease, judged_slices, totals)
        self._apply_to_nobody()
        self._tell_the_watchdog()
        self.record.skipped_profiles = skipped
        self.record.marks = self.read.marks
        self.record.counts |= totals | {
            "positions": len(self.seen),
            "findings": sum(each.kind in FINDINGS for each in self.seen.values()),
            "not_judged": sum(each.kind in NOT_JUDGED for each in self.seen.values()),
        }

    def _judged_slices(self, skipped: Sequence[str]) -> JudgedSlices:
        """Return what decisions rest on; a position that a locked profile has part in is left."""
        locked = {key for key, profile in self.books.profiles.items() if profile.name in skipped}
        by_symbol: dict[str, dict[int, int]] = {}
        for trade in self.books.slices:
            by_symbol.setdefault(trade.symbol, {})[trade.id] = trade.version
        together = {
            symbol: each.finding.holding.symbols
            for each in self.seen.values()
            if each.finding is not None and len(each.finding.holding.symbols) > 1
            for symbol in each.finding.holding.symbols
        }
        for trade in self.books.slices:
            if trade.profile_id in locked:
                for symbol in together.get(trade.symbol, (trade.symbol,)):
                    by_symbol.pop(symbol, None)
        return JudgedSlices(account_id=self.account.pk, by_symbol=by_symbol, together=together)

    def _apply_to(
        self, profile: Profile, lease: Lease, judged: JudgedSlices, totals: dict[str, int]
    ) -> None:
        changes = [change for change in self._changes if change.profile_id == profile.pk]
        mine = [draft for draft in self._mismatches if draft.profile_id == profile.pk]
        before = [m for m in self.books.open_mismatches if m.profile_id == profile.pk]
        if not changes and not mine and not before:
            return
        try:
            applied = apply_parity(
                context=ApplyContext(
                    profile=profile,
                    account_name=self.account.name,
                    run_id=self.run_row.pk,
                    claim_token=self.run_row.claim_token,
                    lease=lease,
                    lock_ttl=self.conf.lock_ttl,
                    actor=ACTOR,
                    settings_hash=self.conf.hash(),
                    clock=self.ports.clock,
                    reach=self.ports.reach,
                ),
                changes=changes,
                mismatches=mine,
                open_before=before,
                can_see=self._can_see,
                judged=judged,
            )
        except LockLost as error:
            self.record.row_errors.append(f"{profile.name}: {error}")
            return
        except ClaimLost:
            raise
        except Exception as error:
            # Nothing of this profile was committed; the others go on.
            logger.exception("profile %s could not be written", profile.name)
            self.record.row_errors.append(
                f"{profile.name}: unexpected {type(error).__name__}: {error}"
            )
            return
        totals["written"] += applied.written
        totals["dropped"] += applied.dropped
        totals["failed"] += len(applied.errors)
        self.record.row_errors += [f"{profile.name}: {text}" for text in applied.errors]

    def _apply_to_nobody(self) -> None:
        apply_nobodys(
            account=self.account,
            run_id=self.run_row.pk,
            claim_token=self.run_row.claim_token,
            mismatches=[draft for draft in self._mismatches if draft.profile_id is None],
            external_orders=(),
            open_before=[m for m in self.books.open_mismatches if m.profile_id is None],
            can_see=self._can_see,
            actor=ACTOR,
            settings_hash=self.conf.hash(),
            clock=self.ports.clock,
        )
        end_acceptances(
            account=self.account,
            keys=[
                key
                for key, each in self.seen.items()
                if each.kind == ParityKind.CLEAN and self.books.accepted.get(key, ZERO) != 0
            ],
            run_id=self.run_row.pk,
            actor=ACTOR,
            settings_hash=self.conf.hash(),
            clock=self.ports.clock,
        )

    def _tell_the_watchdog(self) -> None:
        """Let the watchdog judge each profile by what this heartbeat leaves open."""
        unknown = {
            trade.profile_id
            for trade in self.books.slices
            if any(_concerns(key, each, trade) for key, each in self.seen.items())
        }
        tell_the_watchdog(
            account=self.account,
            ports=self.ports,
            run=self.run_row,
            as_of=self.read.as_of,
            unknown=frozenset(unknown),
        )

    def _can_see(self, mismatch: OpenMismatch) -> bool:
        """Return whether a mismatch that was not found now is gone: its position was judged."""
        return not any(
            mismatch.key.startswith(f"{KEY_PREFIX}{key.symbol}:{key.side}:")
            for key, each in self.seen.items()
            if each.kind in NOT_JUDGED
        )

    @cached_property
    def _mismatches(self) -> tuple[MismatchDraft, ...]:
        """Return the differences that were found now.

        An excess that a person has ignored keeps the row that he accepted, whatever dust it moved.
        """
        accepted = {m.key: m for m in self.books.open_mismatches if m.is_accepted}
        drafts: list[MismatchDraft] = []
        for key, each in self.seen.items():
            if each.finding is None or each.kind not in FINDINGS:
                continue
            found = draft_mismatches(
                each.finding,
                self.books.profiles,
                self._closing_fills(each.finding.holding.slices),
                streak=each.streak.count,
                as_of=self.read.as_of,
            )
            if each.finding.is_accepted:
                prefix = f"{KEY_PREFIX}{key.symbol}:{key.side}:{MismatchKind.ORPHAN_POSITION}:"
                known = next((name for name in accepted if name.startswith(prefix)), None)
                found = tuple(
                    replace(draft, key=known or draft.key, sameness=None) for draft in found
                )
            drafts += found
        return tuple(drafts)

    def _closing_fills(self, slices: Iterable[TradeState]) -> dict[int, tuple[KeptFill, ...]]:
        return {trade.id: closing_fills_of(trade, self.books.closing_fills) for trade in slices}

    @cached_property
    def _changes(self) -> tuple[Change, ...]:
        """Return the corrections; a dry run has none."""
        if self.conf.parity_dry_run:
            return ()
        return (*self._verdicts(), *self._releases())

    def _verdicts(self) -> Iterable[Change]:
        for each in self.judged:
            change = plan_verdict(
                each.trade,
                each.finding,
                each.verdict,
                self.books,
                evidence={**self._seen_of(each.finding).evidence, **each.facts},
                as_of=self.read.as_of,
            )
            if change is not None:
                yield change

    def _releases(self) -> Iterable[Change]:
        """Yield the releases of quarantined slices that were clean for as many heartbeats."""
        for each in self.seen.values():
            if each.finding is None or each.kind != ParityKind.CLEAN:
                continue
            if each.streak.count >= self.conf.parity_confirmations:
                yield from plan_releases(each.finding, self.books, heartbeats=each.streak.count)


def _concerns(key: PositionKey, seen: Seen, trade: TradeState) -> bool:
    """Return whether a position was not judged that a slice is part of."""
    if seen.kind not in NOT_JUDGED:
        return False
    held = () if seen.finding is None else seen.finding.holding.slices
    return key.symbol == trade.symbol or trade in held


def tell_the_watchdog(
    *,
    account: ExchangeAccount,
    ports: Ports,
    run: Run,
    as_of: datetime,
    unknown: frozenset[int],
) -> None:
    """Let the watchdog judge each profile by what is open; `unknown` are those nobody could judge.

    A heartbeat that read nothing breaks the clean streaks of all of them.
    """
    record_watchdog(
        account=account,
        run_id=run.pk,
        claim_token=run.claim_token,
        exposures=load_exposures(account, unknown_profiles=unknown),
        as_of=as_of,
        conf=ports.conf,
        clock=ports.clock,
        actor=ACTOR,
    )
