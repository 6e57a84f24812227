"""The world of a running drill: paper exchange, portal, time, and what the steps share."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from reconciliation.cycles.ports import Ports, go_on
from reconciliation.domain.audit import Actor, system_actor
from reconciliation.drills.clock import DrillClock
from reconciliation.drills.corrections import Books, count_corrections, load_books
from reconciliation.drills.database import close_connections
from reconciliation.drills.errors import SimulatedKill
from reconciliation.drills.gateways import OPTIONS, DrillGateways
from reconciliation.drills.schema import DatabaseChange, Drill, ExchangeChange, OrderName
from reconciliation.enums import ActorType, CycleStep, PositionMode
from reconciliation.exchange.paper.book import PaperAccount
from reconciliation.exchange.paper.server import PaperExchange
from reconciliation.handlers.accounts import create_account, create_profile
from reconciliation.handlers.deliveries import deliver
from reconciliation.handlers.leases import Lease

SET_UP = system_actor("drill")
BEFORE_THE_DRILL = timedelta(days=1)
TRADING_SYSTEM = Actor(type=ActorType.BOT, id="drill", name="trading system")


@dataclass(kw_only=True)
class World:
    """What steps act on. `order_names` is the drill's orders, oldest name first.

    `foreign_leases` are those that another worker of the drill holds, by profile. `remarks` is
    what a person should know of the course of the drill that is no failure.
    """

    drill: Drill
    clock: DrillClock
    exchange: PaperExchange
    gateways: DrillGateways
    order_names: list[OrderName] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    foreign_leases: dict[str, Lease] = field(default_factory=dict)
    corrections: int = 0
    _crash: CycleStep | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def ports(self, reach: Callable[[CycleStep], None] = go_on) -> Ports:
        """Return what a job of the real code needs."""
        return Ports(conf=self.drill.conf, clock=self.clock, gateways=self.gateways, reach=reach)

    def arm_crash(self, after: CycleStep) -> None:
        """Let the next run die at a step."""
        with self._lock:
            self._crash = after

    @contextmanager
    def run_that_may_die(self) -> Iterator[Ports]:
        """Give the ports of a run; if a crash is armed, its death there ends the block quietly."""
        with self._lock:
            after, self._crash = self._crash, None
        reached = False

        def reach(step: CycleStep) -> None:
            nonlocal reached
            if step is after:
                reached = True
                raise SimulatedKill

        try:
            yield self.ports(go_on if after is None else reach)
        except SimulatedKill:
            # What a process held in memory dies with it, and so does its connection: what it did
            # not commit, the database rolls back.
            self.gateways.forget_thread()
            close_connections()
        if after is not None and not reached:
            self.remarks.append(f"the run did not come to {after.value!r}: it was not killed")

    @contextmanager
    def counting_corrections(self) -> Iterator[None]:
        """Count what the portal writes to the books within."""
        before: Books = load_books()
        yield
        self.corrections += count_corrections(before, load_books())

    def apply_exchange(self, change: ExchangeChange) -> None:
        """Make a change of what is true at the exchange."""
        account = self.exchange.accounts[change.account]
        for symbol, mark in change.marks.items():
            account.set_mark(symbol, mark)
        if change.balances is not None:
            account.set_balances(change.balances)
        if change.orders is not None:
            account.replace_orders(change.orders)
        if change.fills is not None:
            account.replace_fills(change.fills)
        if change.positions is not None:
            account.replace_positions(change.positions)
        account.put_orders(change.more_orders)
        account.put_fills(change.more_fills)
        account.put_positions(change.more_positions)

    def deliver(self, change: DatabaseChange, *, clock: DrillClock | None = None) -> None:
        """Let the trading system deliver; rows that the portal refuses are remarked on.

        `clock` says when, where it is not now.
        """
        self.order_names += change.orders
        for delivery in change.deliveries:
            report = deliver(
                delivery=delivery,
                actor=TRADING_SYSTEM,
                clock=clock or self.clock,
                conf=self.drill.conf,
                latest=self.clock.now(),
            )
            self.remarks += (
                f"{row.kind} {row.ref} was refused: {row.reason}" for row in report.refused
            )


@contextmanager
def make_world(drill: Drill) -> Iterator[World]:
    """Set the scene of a drill in an empty database, and take the exchange down at the end."""
    clock = DrillClock(drill.now)
    accounts = [
        PaperAccount(
            spec.name,
            "hedge" if spec.position_mode is PositionMode.HEDGE else "net",
            drill.instruments,
            # Keys of its own, so that no answer can be another account's.
            api_key=secrets.token_hex(8),
            secret=secrets.token_hex(16),
            passphrase=secrets.token_hex(8),
        )
        for spec in drill.accounts.values()
    ]
    with PaperExchange(accounts, clock.now) as exchange:
        gateways = DrillGateways(exchange=exchange, clock=clock)
        try:
            world = World(drill=drill, clock=clock, exchange=exchange, gateways=gateways)
            for change in drill.exchange:
                world.apply_exchange(change)
            # What the database holds at the start was written long before it: the rows' own times
            # say when something happened last, not the moment at which the drill set them up.
            long_ago = DrillClock(clock.now() - BEFORE_THE_DRILL)
            _create_profiles(drill, long_ago)
            world.deliver(drill.database, clock=long_ago)
            yield world
        finally:
            gateways.forget()


def _create_profiles(drill: Drill, clock: DrillClock) -> None:
    ids = {}
    for account in drill.accounts.values():
        created = create_account(
            name=account.name,
            exchange_id=account.exchange,
            credential_prefix=f"DRILL_{account.name.upper().replace('-', '_')}",
            position_mode=account.position_mode,
            options=OPTIONS,
            actor=SET_UP,
            clock=clock,
            conf=drill.conf,
        )
        ids[account.name] = created.pk
    for profile in drill.profiles.values():
        create_profile(
            name=profile.name,
            account_id=ids[profile.account],
            sub_tag=profile.sub_tag,
            allocated_capital_usd=profile.allocated_capital_usd,
            actor=SET_UP,
            clock=clock,
            conf=drill.conf,
        )
