"""One heartbeat of an account: compare what it holds with the slices, and act on what is confirmed.

Claim, read, compare, count. Where a finding was confirmed often enough, real fills are booked first
by the very pass of the loop, the position is asked for once more, and only then is anything
written. The network is used before the first lock is taken, never within one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from reconciliation.cycles.confirmed import Judged, judge_confirmed
from reconciliation.cycles.heartbeat_outcomes import (
    ACTOR,
    Outcomes,
    Seen,
    tell_the_watchdog,
)
from reconciliation.cycles.holdings import HoldingsRead, ask_again, make_holdings, read_holdings
from reconciliation.cycles.jobs import run_job
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.reconcile import NETWORK_BUDGET_SECONDS, choose_accounts, run_pass
from reconciliation.cycles.snapshot import read_account_fills
from reconciliation.domain.parity import OF_SLICES, Finding, Holding, PositionKey, compare
from reconciliation.domain.parity_books import ParityBooks
from reconciliation.domain.plans.parity import position_as_evidence
from reconciliation.domain.plans.verdicts import without_answered
from reconciliation.domain.streaks import NEW, count_sighting, must_judge
from reconciliation.domain.types import Instrument
from reconciliation.enums import (
    Coverage,
    CycleStep,
    ParityKind,
    PositionMode,
    RunKind,
    RunStatus,
)
from reconciliation.exchange.gateway import ExchangeError, Gateway
from reconciliation.handlers.runs import RunRecord
from reconciliation.models import ExchangeAccount, Profile, Run
from reconciliation.selectors.parity import load_parity_books


def heartbeat_accounts(
    *,
    ports: Ports,
    account: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[RunOutcome, ...]:
    """Run one heartbeat of every enabled account, or of the one named; none where it is off.

    One account that fails never stops the others. Raises `UnknownName` before anything is done.
    """
    found = choose_accounts(account=account)
    if not ports.conf.parity_enabled:
        return ()
    tell = progress or (lambda text: None)
    return tuple(heartbeat_account(account=each, ports=ports, progress=tell) for each in found)


def heartbeat_account(
    *,
    account: ExchangeAccount,
    ports: Ports,
    progress: Callable[[str], None] = lambda text: None,
) -> RunOutcome:
    """Run one heartbeat of one account and record it whatever its outcome."""
    return run_job(
        account=account,
        kind=RunKind.HEARTBEAT,
        ports=ports,
        actor=ACTOR,
        work=lambda run, record: _Heartbeat(account, ports, run, record, progress).run(),
    )


class _Heartbeat:
    """The steps of one heartbeat; each may be the last."""

    def __init__(
        self,
        account: ExchangeAccount,
        ports: Ports,
        run: Run,
        record: RunRecord,
        progress: Callable[[str], None],
    ) -> None:
        self.account = account
        self.ports = ports
        self.conf = ports.conf
        self.run_row = run
        self.record = record
        self._progress = progress

    def tell(self, text: str) -> None:
        """Report progress, naming the account."""
        self._progress(f"{self.account.name}: {text}")

    def run(self) -> None:
        """Do the whole heartbeat; the record says how far it came.

        One that the exchange ends knows nothing of any profile, and the watchdog is told so.
        """
        try:
            self._run()
        except ExchangeError:
            everyone = Profile.objects.filter(account=self.account).values_list("pk", flat=True)
            self._tell_that_nothing_is_known(frozenset(everyone))
            raise

    def _tell_that_nothing_is_known(self, profile_ids: frozenset[int]) -> None:
        tell_the_watchdog(
            account=self.account,
            ports=self.ports,
            run=self.run_row,
            as_of=self.record.as_of or self.ports.clock.now(),
            unknown=profile_ids,
        )

    def _run(self) -> None:
        started = self.ports.clock.monotonic()
        gateway = self.ports.gateways.of(self.account)
        gateway.begin_cycle(budget_seconds=NETWORK_BUDGET_SECONDS)
        instruments = dict(gateway.load_instruments())
        read = read_holdings(
            account=self.account,
            gateway=gateway,
            ports=self.ports,
            run_id=self.run_row.pk,
            progress=self.tell,
            spent_ms=self.record.step_ms,
        )
        books = self._load(instruments, read)
        is_spot_held = bool(books.spot_symbols)
        unread = read.unread_parts(is_spot_held=is_spot_held)
        self.record.as_of, self.record.unread = read.as_of, unread
        started = self._timed("snapshot", started)
        self.ports.reach(CycleStep.SNAPSHOT)
        if not read.has_any(is_spot_held=is_spot_held):
            self.record.status = RunStatus.FAILED
            self.record.error = "no position could be read: " + next(
                (why for part, why in unread.items() if not part.startswith("fills")),
                "no part was asked for",
            )
            self._tell_that_nothing_is_known(frozenset(books.profiles))
            return
        seen = self._compare(books, read, instruments, gateway)
        judged: tuple[Judged, ...] = ()
        confirmed = self._confirmed(seen, books)
        if confirmed and not self.conf.parity_dry_run:
            self.tell(f"{len(confirmed)} findings are confirmed: booking real fills first")
            run_pass(
                account=self.account,
                ports=self.ports,
                run=self.run_row,
                record=self.record,
                gateway=gateway,
                instruments=instruments,
                progress=self._progress,
            )
            books = self._load(instruments, read, streaks=books)
            seen = self._compare(books, read, instruments, gateway)
            confirmed = self._confirmed(seen, books)
        if confirmed:
            judged = judge_confirmed(
                confirmed,
                account=self.account,
                books=books,
                read=read,
                gateway=gateway,
                instruments=instruments,
                conf=self.conf,
            )
        started = self._timed("compare", started)
        self.ports.reach(CycleStep.LOOKUPS)
        outcomes = Outcomes(
            account=self.account,
            ports=self.ports,
            run=self.run_row,
            record=self.record,
            books=books,
            read=read,
            seen=seen,
            judged=judged,
        )
        outcomes.keep()
        outcomes.apply()
        self._timed("apply", started)
        self._decide_status(read, seen)
        self.tell(f"done: {self.record.counts}")

    def _timed(self, step: str, started: float) -> float:
        now = self.ports.clock.monotonic()
        self.record.step_ms[step] = int((now - started) * 1000)
        return now

    def _load(
        self,
        instruments: Mapping[str, Instrument],
        read: HoldingsRead,
        streaks: ParityBooks | None = None,
    ) -> ParityBooks:
        """Load the books; those of a second time count on from the same streaks as the first."""
        books = load_parity_books(
            self.account,
            instruments=instruments,
            active_since=read.as_of - self.conf.inflight_grace,
        )
        return books if streaks is None else replace(books, streaks=streaks.streaks)

    def _compare(
        self,
        books: ParityBooks,
        read: HoldingsRead,
        instruments: Mapping[str, Instrument],
        gateway: Gateway,
    ) -> dict[PositionKey, Seen]:
        """Compare every position, and count how often each was found alike."""
        holdings, unknown = make_holdings(
            read,
            books,
            instruments,
            gateway,
            is_hedged=self.account.position_mode == PositionMode.HEDGE,
        )
        seen: dict[PositionKey, Seen] = {}
        for key in unknown:
            before = books.streaks.get(key, NEW)
            seen[key] = Seen(finding=None, kind=ParityKind.UNKNOWN, streak=before)
            seen[key].outcomes.append("not read: nothing is known of it")
        for key, item in holdings.items():
            seen[key] = self._judge(key, item, books, read, instruments, gateway)
        return seen

    def _judge(
        self,
        key: PositionKey,
        item: Holding,
        books: ParityBooks,
        read: HoldingsRead,
        instruments: Mapping[str, Instrument],
        gateway: Gateway,
    ) -> Seen:
        before = books.streaks.get(key, NEW)
        finding = compare(item, dust_usd=self.conf.dust_notional_usd)
        kind, outcomes = finding.kind, []
        if self._is_busy(item, books):
            is_settled = must_judge(before) and self._is_bracketed(
                key, item, read, instruments, gateway
            )
            if not is_settled:
                kind = ParityKind.FRESH
                outcomes.append("left alone: orders, fills or history there are too fresh")
        streak = count_sighting(
            before,
            kind=kind,
            fingerprint=finding.fingerprint,
            as_of=read.as_of,
            interval=self.conf.interval,
        )
        evidence = position_as_evidence(
            finding, books.profiles, streak=streak.count, as_of=read.as_of
        )
        return Seen(finding=finding, kind=kind, streak=streak, outcomes=outcomes, evidence=evidence)

    def _is_busy(self, item: Holding, books: ParityBooks) -> bool:
        return not item.symbols.isdisjoint(books.last_activity)

    def _is_bracketed(
        self,
        key: PositionKey,
        item: Holding,
        read: HoldingsRead,
        instruments: Mapping[str, Instrument],
        gateway: Gateway,
    ) -> bool:
        """Return whether two equal readings of a position have no fill between them."""
        fills = read_account_fills(
            account=self.account,
            gateway=gateway,
            ports=self.ports,
            run_id=self.run_row.pk,
            as_of=self.ports.clock.now(),
            progress=self.tell,
            spent_ms=self.record.step_ms,
        )
        if any(part is not None for part in fills.values()):
            return False
        held = ask_again(gateway, key, instruments)
        later = load_parity_books(
            self.account, instruments=instruments, active_since=read.as_of
        ).last_activity
        return held is not None and held == item.actual and item.symbols.isdisjoint(later)

    def _confirmed(self, seen: Mapping[PositionKey, Seen], books: ParityBooks) -> list[Finding]:
        """Return the findings of slices that were confirmed often enough, for a verdict on each.

        What a person was asked already is left out.
        """
        confirmed = []
        for each in seen.values():
            finding = each.finding
            if finding is None or each.kind not in OF_SLICES or finding.is_shared:
                continue
            if each.streak.count < self.conf.parity_confirmations:
                continue
            due = without_answered(finding, books)
            if due is not None:
                confirmed.append(due)
        return confirmed

    def _decide_status(self, read: HoldingsRead, seen: Mapping[PositionKey, Seen]) -> None:
        record = self.record
        record.unread = dict(record.unread) | {
            f"position {key.symbol} {key.side}": "; ".join(each.outcomes)
            for key, each in seen.items()
            if each.kind == ParityKind.UNKNOWN
        }
        record.coverage = Coverage.PARTIAL if record.unread else Coverage.COMPLETE
        every = Profile.objects.filter(account=self.account, enabled=True).count()
        if every and len(record.skipped_profiles) == every:
            record.status = RunStatus.SKIPPED_LOCKED
            record.error = "every profile's lock is held by another"
        elif record.skipped_profiles or record.row_errors or record.unread:
            record.status = RunStatus.PARTIAL
        else:
            record.status = RunStatus.SUCCEEDED
