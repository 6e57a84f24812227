"""One reconciliation cycle of an account: claim, snapshot, diff, look-ups, apply, record.

The network is used before the first lock is taken, never within one.
"""

import logging
from collections.abc import Callable

from reconciliation.cycles.jobs import run_job
from reconciliation.cycles.lookups import LookUps
from reconciliation.cycles.marks import read_marks
from reconciliation.cycles.outcome import RunOutcome
from reconciliation.cycles.policies import backfill_policy, load_proven, not_found_policy
from reconciliation.cycles.ports import Ports
from reconciliation.cycles.snapshot import take_snapshot
from reconciliation.domain.audit import system_actor
from reconciliation.domain.books import Books
from reconciliation.domain.decisions import Decisions, decide_orders
from reconciliation.domain.linking import link_delivered_rows
from reconciliation.domain.order_diff import orders_to_look_up
from reconciliation.domain.types import AccountSnapshot, Instrument, LookUp, Unread
from reconciliation.domain.unowned import OrderKey, entry_orders_to_look_up
from reconciliation.enums import (
    Coverage,
    CycleStep,
    RunKind,
    RunStatus,
)
from reconciliation.exchange.gateway import Gateway
from reconciliation.handlers.account_level import apply_nobodys
from reconciliation.handlers.apply import Applied, ApplyContext, apply_changes
from reconciliation.handlers.backfill import apply_queue
from reconciliation.handlers.leases import Lease, LockLost, holding, take_lease
from reconciliation.handlers.lookups import record_look_ups
from reconciliation.handlers.runs import ClaimLost, RunRecord
from reconciliation.models import ExchangeAccount, Profile, Run
from reconciliation.selectors.books import load_books

logger = logging.getLogger(__name__)
NETWORK_BUDGET_SECONDS = 30.0
ACTOR = system_actor("reconcile")


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
    chosen: Profile | None = None
    if profile is not None:
        chosen = Profile.objects.filter(name=profile, enabled=True).first()
        if chosen is None:
            raise UnknownName(_unknown("profile", profile, Profile.objects.filter(enabled=True)))
    return tuple(
        reconcile_account(account=each, ports=ports, profile=chosen, progress=tell)
        for each in choose_accounts(account=account, profile=chosen)
    )


def choose_accounts(
    *, account: str | None, profile: Profile | None = None
) -> tuple[ExchangeAccount, ...]:
    """Return every enabled account, or the one named, or that of a profile.

    Raises `UnknownName`, with the names there are.
    """
    accounts = ExchangeAccount.objects.filter(enabled=True).order_by("pk")
    if profile is not None:
        accounts = accounts.filter(pk=profile.account_id)
    if account is not None:
        accounts = accounts.filter(name=account)
    found = tuple(accounts)
    if not found and profile is not None:
        where = f"account {account!r}" if account is not None else "an enabled account"
        raise UnknownName(f"profile {profile.name!r} is not on {where}")
    if not found and account is not None:
        every = ExchangeAccount.objects.filter(enabled=True)
        raise UnknownName(_unknown("account", account, every))
    return found


def reconcile_account(
    *,
    account: ExchangeAccount,
    ports: Ports,
    profile: Profile | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> RunOutcome:
    """Run one cycle of one account and record it whatever its outcome."""
    return run_job(
        account=account,
        kind=RunKind.RECONCILE,
        ports=ports,
        actor=ACTOR,
        only_profile="" if profile is None else profile.name,
        work=lambda run, record: _Cycle(account, profile, ports, run, record, progress).run(),
    )


def run_pass(
    *,
    account: ExchangeAccount,
    ports: Ports,
    run: Run,
    record: RunRecord,
    gateway: Gateway,
    instruments: dict[str, Instrument],
    progress: Callable[[str], None],
) -> None:
    """Book what is proven, within the run of another job: the loop's own pass over an account.

    What it could not write is added to the run's row errors; what it could not read is left to
    the loop, whose own run says so.
    """
    own = RunRecord()
    _Cycle(account, None, ports, run, own, progress).book(gateway, instruments)
    record.row_errors += own.row_errors
    record.counts["booked"] = own.counts.get("written", 0)


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
        self.book(gateway, dict(gateway.load_instruments()))

    def book(self, gateway: Gateway, instruments: dict[str, Instrument]) -> None:
        """Read, decide and write; a part that is not read is unknown, and nothing comes of it."""
        started = self.ports.clock.monotonic()
        snapshot = take_snapshot(
            account=self.account,
            gateway=gateway,
            ports=self.ports,
            run_id=self.run_row.pk,
            progress=self.tell,
            spent_ms=self.record.step_ms,
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
        look_ups, unknown, waiting = self._look_up(gateway, snapshot, instruments)
        self.record.marks, unmarked = read_marks(
            account=self.account, gateway=gateway, clock=self.ports.clock
        )
        self.record.unread = {**self.record.unread, **unmarked}
        started = self._timed("look_ups", started)
        self.ports.reach(CycleStep.LOOKUPS)
        failed_look_ups = sum(
            isinstance(answer, Unread) for answer in (*look_ups.values(), *unknown.values())
        )
        proven = load_proven(self.account.pk, snapshot)
        decided = decide_orders(
            self._load(snapshot, instruments),
            snapshot,
            look_ups,
            unknown,
            grace=self.ports.conf.inflight_grace,
            not_found=lambda books: not_found_policy(self.ports.conf, books, snapshot, proven),
            backfill=backfill_policy(self.ports.conf, proven),
        )
        self.record.counts |= {
            "orders": decided.orders,
            "look_ups": len(look_ups) + len(unknown),
            "look_ups_failed": failed_look_ups,
            "look_ups_waiting": waiting,
            "mismatches": decided.mismatches_of(None if self.profile is None else self.profile.pk),
        }
        self._apply(decided, snapshot)
        self._timed("apply", started)
        complete = snapshot.coverage == Coverage.COMPLETE and not failed_look_ups and not waiting
        if not complete:
            self.record.coverage = Coverage.PARTIAL
        self._decide_status()
        self.tell(f"done: {self.record.counts}")

    def _look_up(
        self, gateway: Gateway, snapshot: AccountSnapshot, instruments: dict[str, Instrument]
    ) -> tuple[dict[int, LookUp], dict[OrderKey, LookUp], int]:
        """Ask for the orders that no list explains: ours first, then unknown ones; bounded."""
        limit, grace = self.ports.conf.max_order_lookups, self.ports.conf.inflight_grace
        books = self._load(snapshot, instruments)
        ours, waiting = orders_to_look_up(
            books, snapshot, of_profiles=frozenset(self._profile_ids()), grace=grace, limit=limit
        )
        unknown, unknown_waiting = entry_orders_to_look_up(
            link_delivered_rows(books).books, snapshot, grace=grace, limit=limit - len(ours)
        )
        ask = LookUps(
            account=self.account,
            gateway=gateway,
            instruments=instruments,
            ports=self.ports,
            run_id=self.run_row.pk,
        )
        answers, had_their_turn = ask.of_orders(ours, self.tell)
        unknown_answers = ask.of_unknown(unknown)
        record_look_ups(order_ids=had_their_turn, now=self.ports.clock.now())
        names = {order.id: order.exchange_order_id or order.client_order_id for order in ours}
        asked = [
            *((names[order_id], answer) for order_id, answer in answers.items()),
            *((key[1], answer) for key, answer in unknown_answers.items()),
        ]
        self.record.unread = {
            **self.record.unread,
            **{f"order {name}": a.reason for name, a in asked if isinstance(a, Unread)},
        }
        return answers, unknown_answers, waiting + unknown_waiting

    def _profile_ids(self) -> list[int]:
        """Return the profiles that this cycle may write to, in order of id."""
        if self.profile is not None:
            return [self.profile.pk]
        rows = Profile.objects.filter(account=self.account, enabled=True).order_by("pk")
        return list(rows.values_list("pk", flat=True))

    def _load(self, snapshot: AccountSnapshot, instruments: dict[str, Instrument]) -> Books:
        return load_books(
            self.account,
            open_orders=snapshot.listed_orders(),
            instruments=instruments,
            client_order_ids=self.ports.conf.client_order_id_pattern,
        )

    def _apply(self, decided: Decisions, snapshot: AccountSnapshot) -> None:
        """Apply the changes profile by profile, in order of id: each under its own lease."""
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
                    applied = self._apply_to(profile, lease, decided)
            except LockLost as error:
                self.record.row_errors.append(f"{profile.name}: {error}")
                continue
            except ClaimLost:
                raise
            except Exception as error:
                # Nothing of this profile was committed; the others go on.
                logger.exception("profile %s could not be written", profile.name)
                self.record.row_errors.append(
                    f"{profile.name}: unexpected {type(error).__name__}: {error}"
                )
                continue
            totals["written"] += applied.written
            totals["dropped"] += applied.dropped
            totals["failed"] += len(applied.errors)
            self.record.row_errors += [f"{profile.name}: {text}" for text in applied.errors]
        if self.profile is None:
            apply_nobodys(
                account=self.account,
                run_id=self.run_row.pk,
                claim_token=self.run_row.claim_token,
                mismatches=decided.nobodys_mismatches,
                external_orders=decided.external_orders,
                open_before=decided.open_of(None),
                can_see=decided.can_see_nobodys,
                gone_orders=decided.gone_orders,
                owned_orders=decided.owned_orders,
                actor=ACTOR,
                settings_hash=self.ports.conf.hash(),
                clock=self.ports.clock,
            )
            apply_queue(
                account=self.account,
                run_id=self.run_row.pk,
                claim_token=self.run_row.claim_token,
                no_go=[
                    draft
                    for draft in decided.no_go
                    if draft.profile is None or draft.profile.name not in skipped
                ],
                # What booked a fill, or closed its slice, may be among what was skipped.
                moot=() if skipped else decided.moot_candidates,
                actor=ACTOR,
                settings_hash=self.ports.conf.hash(),
                clock=self.ports.clock,
            )
        self.record.counts |= totals
        self.record.skipped_profiles = skipped

    def _apply_to(self, profile: Profile, lease: Lease, decided: Decisions) -> Applied:
        mine = [change for change in decided.changes if change.profile_id == profile.pk]
        open_before = decided.open_of(profile.pk)
        looked_at = decided.judged_orders | decided.found_orders
        if not mine and not any(m.order_id in looked_at for m in open_before):
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
            judged_orders=decided.judged_orders,
            found_orders=decided.found_orders,
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
