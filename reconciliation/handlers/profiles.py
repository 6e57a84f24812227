"""What a person changes about a profile: whether it is reconciled, and the capital it may use."""

from decimal import Decimal

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import ZERO, plain, total
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.enums import CapitalCause
from reconciliation.handlers.accounts import InvalidValue
from reconciliation.handlers.leases import keep_free
from reconciliation.handlers.unit import Unit, transaction_unit
from reconciliation.models import CapitalBalance, CapitalEntry, Profile


class CapitalChanged(ValueError):
    """The capital is another one than the person saw: `now` is what it has become."""

    def __init__(self, now: Decimal) -> None:
        self.now = now
        super().__init__(f"the allocated capital is {plain(now)} USD by now")


def set_profile_enabled(
    *,
    profile_id: int,
    enabled: bool,
    comment: str,
    actor: Actor,
    clock: Clock,
    conf: Conf,
    request_id: str = "",
    ip: str = "",
) -> bool:
    """Let a profile be reconciled, or no more; return whether that is a change.

    Nothing of a disabled profile is deleted, and what it owns stays its own: no other gets it.
    Raises `LockHeld` while somebody writes for the profile.
    """
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
        keep_free([profile_id], clock=clock)
        profile = _lock(profile_id)
        if profile.enabled == enabled:
            return False
        profile.enabled = enabled
        profile.save(update_fields=["enabled"])
        unit.record(
            EventDraft(
                action="profile.enabled" if enabled else "profile.disabled",
                object_type="profile",
                object_id=str(profile.pk),
                profile=profile.name,
                account=profile.account.name,
                before={"enabled": not enabled},
                after={"enabled": enabled},
                comment=comment,
            )
        )
    return True


def change_capital(
    *,
    profile_id: int,
    amount: Decimal,
    seen: Decimal,
    comment: str,
    actor: Actor,
    clock: Clock,
    conf: Conf,
    request_id: str = "",
    ip: str = "",
) -> bool:
    """Allocate another capital to a profile; return whether that is a change.

    `seen` is what the person saw it to be: raises `CapitalChanged` where that is not so any more.
    The ledger gets its row at once; a profile without a balance gets both by its next run. Raises
    `InvalidValue` for an amount below zero, and without a comment: the watchdog measures by it.
    Raises `LockHeld` while somebody writes for the profile.
    """
    if amount < 0:
        raise InvalidValue("amount", f"{plain(amount)} is negative")
    if not comment.strip():
        raise InvalidValue("comment", "it is empty; say why, for the audit trail")
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
        keep_free([profile_id], clock=clock)
        profile = _lock(profile_id)
        before = profile.allocated_capital_usd
        if before == amount:
            return False
        if before != seen:
            raise CapitalChanged(before)
        profile.allocated_capital_usd = amount
        profile.save(update_fields=["allocated_capital_usd"])
        _enter(profile, amount, unit)
        unit.record(
            EventDraft(
                action="profile.capital_changed",
                object_type="profile",
                object_id=str(profile.pk),
                profile=profile.name,
                account=profile.account.name,
                before={"allocated_capital_usd": plain(before)},
                after={"allocated_capital_usd": plain(amount)},
                comment=comment,
            )
        )
    return True


def _enter(profile: Profile, amount: Decimal, unit: Unit) -> None:
    """Write the ledger's row, and the balance that the rows add up to."""
    rows = CapitalBalance.objects.select_for_update(no_key=True)
    balance = rows.filter(profile=profile).first()
    if balance is None or balance.allocated_usd == amount:
        return
    CapitalEntry.objects.create(
        profile=profile,
        cause=CapitalCause.ALLOCATION,
        allocated_usd=total((amount, -balance.allocated_usd)),
        reserved_usd=ZERO,
        used_usd=ZERO,
        recorded_at=unit.now,
    )
    balance.allocated_usd, balance.updated_at = amount, unit.now
    balance.save(update_fields=["allocated_usd", "updated_at"])


def _lock(profile_id: int) -> Profile:
    rows = Profile.objects.select_for_update(no_key=True, of=("self",)).select_related("account")
    return rows.get(pk=profile_id)
