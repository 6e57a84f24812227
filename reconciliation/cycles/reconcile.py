"""One reconciliation cycle of an account: claim, snapshot, diff, look-ups, apply, record.

The network is used before the first lock is taken, never within one.
"""

from collections.abc import Callable, Sequence

from reconciliation.cycles.lookups import look_up_orders
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.snapshot import take_snapshot
from reconciliation.domain.audit import system_actor
from reconciliation.domain.books import Books
from reconciliation.domain.intervals import covers
from reconciliation.domain.linking import LinkedBooks, link_delivered_rows
from reconciliation.domain.order_diff import OrderFinding, diff_orders, orders_to_look_up
from reconciliation.domain.order_rules import OrderRule
from reconciliation.domain.plans.changes import Change
from reconciliation.domain.plans.orders import NotFoundPolicy, plan_orders
from reconciliation.domain.types import AccountSnapshot, Instrument, OpenOrders, Unread
from reconciliation.enums import Coverage, CycleStep, RunKind, RunStatus
from reconciliation.exchange.gateway import ExchangeError
from reconciliation.handlers.apply import Applied, ApplyContext, apply_changes
from reconciliation.handlers.leases import Lease, LockLost, holding, take_lease
from reconciliation.handlers.runs import RunRecord, claim_run, finish_run
from reconciliation.models import ExchangeAccount, Profile, Run
from reconciliation.selectors.books import load_books
from reconciliation.selectors.coverage import MARGIN, load_known_intervals

NETWORK_BUDGET_SECONDS = 30.0
ACTOR = system_actor("reconcile")
_UNJUDGED = frozenset(
    {
        OrderRule.FRESH,
        OrderRule.CLASS_NOT_READ,
        OrderRule.LOOK_UP_FAILED,
        OrderRule.ABSENT_STILL_OPEN,
    }
)


class UnknownName(ValueError):
    """No enabled account, or profile, has this name."""


def reconcile_accounts(
    *,
    ports: Ports,
    account: str | None = None,
    profile: str | None = None,
    progress: Callable[[str], None] | None = None,
) -> tuple[RunOutcome, ...]:
    """Reconcile every enabled account, or the one named, or that of the profile named.

    One account that fails never stops the others. Raises `UnknownName` before anything is done.
    """
    tell = progress or (lambda text: None)
    accounts = ExchangeAccount.objects.filter(enabled=True).order_by("pk")
    chosen: Profile | None = None
    if profile is not None:
        chosen = Profile.objects.filter(name=profile, enabled=True).first()
        if chosen is None:
            raise UnknownName(_unknown("profile", profile, Profile.objects.filter(enabled=True)))
        accounts = accounts.filter(pk=chosen.account_id)
    if account is not None:
        accounts = accounts.filter(name=account)
    found = list(accounts)
    if not found and account is not None:
        if chosen is not None:
            raise UnknownName(f"profile {profile!r} is not on account {account!r}")
        every = ExchangeAccount.objects.filter(enabled=True)
        raise UnknownName(_unknown("account", account, every))
    return tuple(
        reconcile_account(account=each, ports=ports, profile=chosen, progress=tell)
        for each in found
    )


def reconcile_account(
    *,
    account: ExchangeAccount,
    ports: Ports,
    profile: Profile | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> RunOutcome:
    """Run one cycle of one account and record it whatever its outcome."""
    run = claim_run(account=account, kind=RunKind.RECONCILE, clock=ports.clock)
    if run is None:
        return RunOutcome(
            account=account.name,
            kind=RunKind.RECONCILE,
            status=RunStatus.SKIPPED_LOCKED,
            coverage=Coverage.NONE,
            run_id=None,
            error="another run of this account is under way; it will do this one's work",
            counts={},
            unread={},
            row_errors=(),
        )
    record = RunRecord()
    try:
        _Cycle(account, profile, ports, run, record, progress).run()
    except ExchangeError as error:
        record.status, record.error = RunStatus.FAILED, str(error)
    except Exception as error:
        record.status, record.error = RunStatus.FAILED, f"{type(error).__name__}: {error}"
        finish_run(run_id=run.pk, claim_token=run.claim_token, record=record, clock=ports.clock)
        raise
    finish_run(run_id=run.pk, claim_token=run.claim_token, record=record, clock=ports.clock)
    return RunOutcome(
        account=account.name,
        kind=RunKind.RECONCILE,
        status=record.status,
        coverage=record.coverage,
        run_id=run.pk,
        error=record.error,
        counts=record.counts,
        unread=dict(record.unread),
        row_errors=tuple(record.row_errors),
    )


class _Cycle:
    """The steps of one cycle; each is timed, and each may be the last."""

    def __init__(
        self,
        account: ExchangeAccount,
        profile: Profile | None,
        ports: Ports,
        run: Run,
        record: RunRecord,
        progress: Callable[[str], None],
    ) -> None:
        self.account = account
        self.profile = profile
        self.ports = ports
        self.run_row = run
        self.record = record
        self._progress = progress

    def tell(self, text: str) -> None:
        """Report progress, naming the account."""
        self._progress(f"{self.account.name}: {text}")

    def run(self) -> None:
        """Do the whole cycle; the record says how far it came."""
        gateway = self.ports.gateways.of(self.account)
        gateway.begin_cycle(budget_seconds=NETWORK_BUDGET_SECONDS)
        started = self.ports.clock.monotonic()
        instruments = dict(gateway.load_instruments())
        snapshot = take_snapshot(
            account=self.account,
            gateway=gateway,
            ports=self.ports,
            run_id=self.run_row.pk,
            progress=self.tell,
        )
        self.record.as_of = snapshot.as_of
        self.record.coverage = snapshot.coverage
        self.record.unread = snapshot.unread_parts()
        started = self._timed("snapshot", started)
        self.ports.reach(CycleStep.SNAPSHOT)
        if snapshot.coverage == Coverage.NONE:
            self.record.status = RunStatus.FAILED
            self.record.error = "nothing could be read: " + next(
                iter(snapshot.unread_parts().values()), "no part was asked for"
            )
            return
        wanted, waiting = orders_to_look_up(
            self._load(snapshot, instruments),
            snapshot,
            grace=self.ports.conf.inflight_grace,
            limit=self.ports.conf.max_order_lookups,
        )
        look_ups = look_up_orders(
            wanted,
            account=self.account,
            gateway=gateway,
            instruments=instruments,
            ports=self.ports,
            run_id=self.run_row.pk,
            progress=self.tell,
        )
        started = self._timed("look_ups", started)
        self.ports.reach(CycleStep.LOOKUPS)
        failed_look_ups = sum(isinstance(answer, Unread) for answer in look_ups.values())
        linked = link_delivered_rows(self._load(snapshot, instruments))
        findings = diff_orders(
            linked.books, snapshot, look_ups, grace=self.ports.conf.inflight_grace
        )
        changes = plan_orders(findings, linked, not_found=self._not_found_policy(linked, snapshot))
        self.record.counts |= {
            "orders": len(linked.books.orders),
            "look_ups": len(look_ups),
            "look_ups_failed": failed_look_ups,
            "look_ups_waiting": waiting,
            "mismatches": sum(len(change.mismatches) for change in changes),
        }
        self._apply(linked.books, findings, changes)
        self._timed("apply", started)
        complete = snapshot.coverage == Coverage.COMPLETE and not failed_look_ups and not waiting
        if not complete:
            self.record.coverage = Coverage.PARTIAL
        self._decide_status()
        self.tell(f"done: {self.record.counts}")

    def _load(self, snapshot: AccountSnapshot, instruments: dict[str, Instrument]) -> Books:
        return load_books(
            self.account.pk,
            open_orders=[
                order
                for part in snapshot.open_orders.values()
                if isinstance(part, OpenOrders)
                for order in part.orders
            ],
            instruments=instruments,
            profile_id=None if self.profile is None else self.profile.pk,
        )

    def _not_found_policy(self, linked: LinkedBooks, snapshot: AccountSnapshot) -> NotFoundPolicy:
        books = linked.books
        complete = {
            instrument_type: load_known_intervals(self.account.pk, instrument_type)
            for instrument_type, unread in snapshot.fills.items()
            if unread is None
        }
        covered = {
            order.id
            for order in books.orders.values()
            if complete
            and len(complete) == len(snapshot.fills)
            and all(
                covers((order.created_at - MARGIN, snapshot.as_of), known)
                for known in complete.values()
            )
        }
        return NotFoundPolicy(
            retries=self.ports.conf.order_not_found_retries,
            counts={
                mismatch.order_id: mismatch.not_found_count
                for mismatch in books.open_mismatches
                if mismatch.order_id is not None
            },
            covered_orders=frozenset(covered),
        )

    def _apply(
        self, books: Books, findings: Sequence[OrderFinding], changes: Sequence[Change]
    ) -> None:
        """Apply the changes profile by profile, in order of id: each under its own lease."""
        judged = frozenset(
            finding.order.id for finding in findings if finding.rule not in _UNJUDGED
        )
        profiles = Profile.objects.filter(account=self.account, enabled=True).order_by("pk")
        skipped, totals = [], {"written": 0, "dropped": 0, "failed": 0}
        for profile in profiles if self.profile is None else [self.profile]:
            self.tell(f"applying to {profile.name}")
            lease = take_lease(
                profile_id=profile.pk,
                holder=f"reconcile run {self.run_row.pk}",
                ttl=self.ports.conf.lock_ttl,
                clock=self.ports.clock,
            )
            if lease is None:
                skipped.append(profile.name)
                continue
            try:
                with holding(lease):
                    self.ports.reach(CycleStep.LOCK)
                    applied = self._apply_to(profile, lease, books, judged, changes)
            except LockLost as error:
                self.record.row_errors.append(f"{profile.name}: {error}")
                continue
            totals["written"] += applied.written
            totals["dropped"] += applied.dropped
            totals["failed"] += len(applied.errors)
            self.record.row_errors += [f"{profile.name}: {text}" for text in applied.errors]
        self.record.counts |= totals
        self.record.skipped_profiles = skipped

    def _apply_to(
        self,
        profile: Profile,
        lease: Lease,
        books: Books,
        judged: frozenset[int],
        changes: Sequence[Change],
    ) -> Applied:
        mine = [change for change in changes if change.profile_id == profile.pk]
        open_before = [m for m in books.open_mismatches if m.profile_id == profile.pk]
        if not mine and not any(m.order_id in judged for m in open_before):
            return Applied(written=0, dropped=0)
        return apply_changes(
            context=ApplyContext(
                profile=profile,
                account_name=self.account.name,
                run_id=self.run_row.pk,
                claim_token=self.run_row.claim_token,
                lease=lease,
                lock_ttl=self.ports.conf.lock_ttl,
                actor=ACTOR,
                settings_hash=self.ports.conf.hash(),
                clock=self.ports.clock,
                reach=self.ports.reach,
            ),
            changes=mine,
            open_mismatches=open_before,
            judged_orders=judged,
        )

    def _decide_status(self) -> None:
        record = self.record
        every = (
            1
            if self.profile is not None
            else Profile.objects.filter(account=self.account, enabled=True).count()
        )
        if every and len(record.skipped_profiles) == every:
            record.status = RunStatus.SKIPPED_LOCKED
            record.error = "every profile's lock is held by another"
        elif record.skipped_profiles or record.row_errors or record.coverage != Coverage.COMPLETE:
            record.status = RunStatus.PARTIAL
        else:
            record.status = RunStatus.SUCCEEDED

    def _timed(self, step: str, started: float) -> float:
        now = self.ports.clock.monotonic()
        self.record.step_ms[step] = int((now - started) * 1000)
        return now


def _unknown(what: str, name: str, rows: object) -> str:
    names = ", ".join(sorted(str(row) for row in rows)) or "none"  # type: ignore[attr-defined]
    return f"no enabled {what} is called {name!r}; there are: {names}"
