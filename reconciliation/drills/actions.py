"""What each step does: a function a step, listed in `served`."""

import threading
from collections.abc import Callable
from typing import Final

from reconciliation.cycles.heartbeat import heartbeat_accounts
from reconciliation.cycles.reconcile import reconcile_accounts
from reconciliation.drills.database import close_connections
from reconciliation.drills.schema import (
    AdvanceStep,
    ClearFaultsStep,
    ConcurrentStep,
    CrashStep,
    DatabaseStep,
    ExchangeStep,
    FaultStep,
    LockStep,
    RestartStep,
    RunStep,
    Step,
    TamperStep,
    UnlockStep,
)
from reconciliation.drills.tamper import tamper_with_event
from reconciliation.drills.world import World
from reconciliation.handlers.leases import release_lease, take_lease
from reconciliation.models import Profile

OTHER_WORKER = "another worker"
ALWAYS: Final = "always"


class LockTaken(RuntimeError):
    """A drill lets another worker take a lock that somebody holds."""


Action = Callable[[World, Step], None]


def reconcile(world: World, step: RunStep) -> None:
    """Run one reconciliation cycle over all accounts, or those that the step names."""
    with world.run_that_may_die() as ports:
        reconcile_accounts(ports=ports, account=step.account, profile=step.profile)


def heartbeat(world: World, step: RunStep) -> None:
    """Run one heartbeat over all accounts, or the one that the step names."""
    with world.run_that_may_die() as ports:
        heartbeat_accounts(ports=ports, account=step.account)


def advance(world: World, step: AdvanceStep) -> None:
    """Move the clock."""
    world.clock.advance(step.by)


def change_exchange(world: World, step: ExchangeStep) -> None:
    """Change what is true at the exchange."""
    for change in step.changes:
        world.apply_exchange(change)


def change_database(world: World, step: DatabaseStep) -> None:
    """Let the trading system write."""
    world.deliver(step.change)


def arm_fault(world: World, step: FaultStep | ClearFaultsStep) -> None:
    """Let answers of the exchange fail, or end all such faults."""
    if isinstance(step, ClearFaultsStep):
        world.exchange.faults.clear()
        return
    world.exchange.faults.add(
        step.account,
        step.endpoint.value,
        step.kind.value,
        ALWAYS if step.times is None else step.times,
    )


def hold_lock(world: World, step: LockStep) -> None:
    """Let another worker take a profile's lock, as a worker does; raises `LockTaken`."""
    lease = take_lease(
        profile_id=_profile_id(step.profile),
        holder=OTHER_WORKER,
        ttl=step.duration,
        clock=world.clock,
    )
    if lease is None:
        raise LockTaken(f"the lock of profile {step.profile!r} is held already")
    world.foreign_leases[step.profile] = lease


def release_lock(world: World, step: UnlockStep) -> None:
    """Let that other worker give the lock back, if it still has it."""
    lease = world.foreign_leases.pop(step.profile, None)
    if lease is not None:
        release_lease(lease)


def arm_crash(world: World, step: CrashStep) -> None:
    """Let the next run be killed."""
    world.arm_crash(step.after)


def restart(world: World, step: RestartStep) -> None:
    """Drop what all processes hold in memory."""
    world.gateways.forget()
    close_connections()


def tamper(world: World, step: TamperStep) -> None:
    """Change an audit event past the triggers."""
    tamper_with_event(sequence=step.sequence, values=step.values)


def run_concurrently(world: World, step: ConcurrentStep, act: Action) -> None:
    """Run steps at the same time, each in a thread that stands for a process of its own.

    Raises the first error of any of them, once all have ended.
    """
    barrier = threading.Barrier(len(step.steps))
    errors: list[Exception] = []

    def work(each: Step) -> None:
        try:
            barrier.wait()
            act(world, each)
        except Exception as error:
            errors.append(error)
        finally:
            world.gateways.forget_thread()
            close_connections()

    threads = [
        threading.Thread(target=work, args=(each,), name=f"drill-{at}-{each.name}")
        for at, each in enumerate(step.steps)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _profile_id(name: str) -> int:
    return Profile.objects.values_list("pk", flat=True).get(name=name)
