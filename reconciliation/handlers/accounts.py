"""Exchange accounts and profiles: created with their audit event."""

from datetime import datetime
from decimal import Decimal

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import plain
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.enums import PositionMode
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import ExchangeAccount, Profile, ProfileLease


class AlreadyExists(ValueError):
    """A name, or a sub tag within its account, is taken."""


class InvalidBaseline(ValueError):
    """A moment that cannot be an account's baseline."""


def create_account(
    *,
    name: str,
    exchange_id: str,
    credential_prefix: str,
    position_mode: PositionMode,
    options: dict[str, object],
    actor: Actor,
    clock: Clock,
    conf: Conf,
) -> ExchangeAccount:
    """Create an exchange account; raises `AlreadyExists` when its name is taken."""
    with transaction_unit(actor=actor, clock=clock, settings_hash=conf.hash()) as unit:
        if ExchangeAccount.objects.filter(name=name).exists():
            raise AlreadyExists(f"an exchange account {name!r} exists; choose another name")
        account = ExchangeAccount.objects.create(
            name=name,
            exchange_id=exchange_id,
            credential_prefix=credential_prefix,
            position_mode=position_mode,
            options=options,
            created_at=unit.now,
        )
        unit.record(
            EventDraft(
                action="account.created",
                object_type="account",
                object_id=str(account.pk),
                account=name,
                after={
                    "name": name,
                    "exchange_id": exchange_id,
                    "credential_prefix": credential_prefix,
                    "position_mode": position_mode,
                    "options": options,
                },
            )
        )
    return account


def create_profile(
    *,
    name: str,
    account_id: int,
    sub_tag: str,
    allocated_capital_usd: Decimal,
    actor: Actor,
    clock: Clock,
    conf: Conf,
) -> Profile:
    """Create a profile with its lease; raises `AlreadyExists` for a name or sub tag in use."""
    with transaction_unit(actor=actor, clock=clock, settings_hash=conf.hash()) as unit:
        account = ExchangeAccount.objects.get(pk=account_id)
        if Profile.objects.filter(name=name).exists():
            raise AlreadyExists(f"a profile {name!r} exists; choose another name")
        if Profile.objects.filter(account=account, sub_tag=sub_tag).exists():
            raise AlreadyExists(f"account {account.name!r} has a profile with sub tag {sub_tag!r}")
        profile = Profile.objects.create(
            name=name,
            account=account,
            sub_tag=sub_tag,
            allocated_capital_usd=allocated_capital_usd,
            created_at=unit.now,
        )
        ProfileLease.objects.create(profile=profile)
        unit.record(
            EventDraft(
                action="profile.created",
                object_type="profile",
                object_id=str(profile.pk),
                profile=name,
                account=account.name,
                after={
                    "name": name,
                    "sub_tag": sub_tag,
                    "allocated_capital_usd": plain(allocated_capital_usd),
                },
            )
        )
    return profile


def set_baseline(
    *,
    account_id: int,
    at: datetime,
    comment: str,
    actor: Actor,
    clock: Clock,
    conf: Conf,
) -> ExchangeAccount:
    """Accept what an account held before a moment as found; only what deviates counts from then.

    Orders placed and fills executed before it, that no profile owns, are shown to nobody again.
    Raises `InvalidBaseline` for a moment in the future, or one before the baseline in force.
    """
    with transaction_unit(actor=actor, clock=clock, settings_hash=conf.hash()) as unit:
        account = ExchangeAccount.objects.select_for_update().get(pk=account_id)
        if at > unit.now:
            raise InvalidBaseline(f"at: {at.isoformat()} is in the future")
        if account.baseline_at is not None and at < account.baseline_at:
            raise InvalidBaseline(
                f"at: the baseline is {account.baseline_at.isoformat()} already; it only moves on"
            )
        before, account.baseline_at = account.baseline_at, at
        account.save(update_fields=["baseline_at"])
        unit.record(
            EventDraft(
                action="account.baseline_set",
                object_type="account",
                object_id=str(account.pk),
                account=account.name,
                before={"baseline_at": before},
                after={"baseline_at": at},
                comment=comment,
            )
        )
    return account
