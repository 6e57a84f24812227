"""Exchange accounts and profiles: created, enabled and disabled with their audit event."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.amounts import plain
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.enums import PositionMode
from reconciliation.handlers.leases import keep_free
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import ExchangeAccount, Profile, ProfileLease


class AlreadyExists(ValueError):
    """A name, or a sub tag within its account, is taken."""


class InvalidValue(ValueError):
    """A value that a field cannot hold: `field` names it, `fault` says why."""

    def __init__(self, field: str, fault: str) -> None:
        self.field = field
        self.fault = fault
        super().__init__(f"{field}: {fault}")


class InvalidBaseline(InvalidValue):
    """A moment that cannot be an account's baseline, or one without a reason."""


# Each with what it asks for, in words. Whether an exchange of that id exists is known to the
# client of the exchanges, which nothing here may import: the command that adds accounts asks it.
_NAME = (r"[-a-zA-Z0-9_]{1,64}", "1 to 64 letters, digits, - and _")
_EXCHANGE_ID = (r"[a-z0-9_]{1,32}", "the id of an exchange, for example okx")
_CREDENTIAL_PREFIX = (
    r"[A-Za-z_][A-Za-z0-9_]{0,63}",
    "how names of settings begin, for example MAIN of MAIN_API_KEY",
)
_SUB_TAG = (r"\S(?:.{0,62}\S)?", "1 to 64 characters without spaces around, such as alpha01")


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
    request_id: str = "",
    ip: str = "",
) -> ExchangeAccount:
    """Create an exchange account.

    Raises `InvalidValue` for a field that cannot be right, `AlreadyExists` when its name is taken.
    """
    check_name(name)
    _check("exchange_id", exchange_id, _EXCHANGE_ID)
    _check("credential_prefix", credential_prefix, _CREDENTIAL_PREFIX)
    if position_mode not in PositionMode.values:
        known = ", ".join(PositionMode.values)
        raise InvalidValue("position_mode", f"{position_mode!r} is none of {known}")
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
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
    request_id: str = "",
    ip: str = "",
) -> Profile:
    """Create a profile with its lease.

    Raises `InvalidValue` for a field that cannot be right, `AlreadyExists` for a name or sub tag
    in use, ExchangeAccount.DoesNotExist for an unknown account.
    """
    check_name(name)
    _check("sub_tag", sub_tag, _SUB_TAG)
    if allocated_capital_usd < 0:
        raise InvalidValue("allocated_capital_usd", f"{plain(allocated_capital_usd)} is negative")
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
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


def set_account_enabled(
    *,
    account_id: int,
    enabled: bool,
    comment: str,
    actor: Actor,
    clock: Clock,
    conf: Conf,
    request_id: str = "",
    ip: str = "",
) -> bool:
    """Let an account be reconciled, or no more; return whether that is a change.

    Nothing of a disabled account is deleted or decided; only its cycles stop.
    """
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
        account = _lock(account_id)
        if account.enabled == enabled:
            return False
        account.enabled = enabled
        account.save(update_fields=["enabled"])
        unit.record(
            EventDraft(
                action="account.enabled" if enabled else "account.disabled",
                object_type="account",
                object_id=str(account.pk),
                account=account.name,
                before={"enabled": not enabled},
                after={"enabled": enabled},
                comment=comment,
            )
        )
    return True


def set_baseline(
    *,
    account_id: int,
    at: datetime,
    comment: str,
    actor: Actor,
    clock: Clock,
    conf: Conf,
    request_id: str = "",
    ip: str = "",
) -> ExchangeAccount:
    """Accept what an account held before a moment as found; only what deviates counts from then.

    Orders placed and fills executed before it, that no profile owns, are shown to nobody again.
    Raises `InvalidBaseline` for a moment in the future, or one before the baseline in force, and
    without a comment: a baseline hides what it accepts, so the trail must say why. Raises
    `LockHeld` while somebody writes for a profile of the account.
    """
    if not comment.strip():
        raise InvalidBaseline("comment", "it is empty; say why, for the audit trail")
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
        profiles = Profile.objects.filter(account_id=account_id).order_by("pk")
        keep_free(profiles.values_list("pk", flat=True), clock=clock)
        account = _lock(account_id)
        if at > unit.now:
            raise InvalidBaseline("at", f"{moment_text(at)} is in the future")
        if account.baseline_at is not None and at < account.baseline_at:
            raise InvalidBaseline(
                "at",
                f"the baseline is {moment_text(account.baseline_at)} already; it only moves on",
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


def moment_text(moment: datetime) -> str:
    """Return a moment as a person reads it, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def check_name(name: str) -> None:
    """Raise `InvalidValue` for what cannot be the name of a thing."""
    _check("name", name, _NAME)


def _lock(account_id: int) -> ExchangeAccount:
    """Lock an account but for its key.

    Whoever writes rows of the account checks its key when he commits, and holds the end of the
    audit chain by then, which a decision takes last: each would wait for the other.
    """
    return ExchangeAccount.objects.select_for_update(no_key=True).get(pk=account_id)


def _check(field: str, value: str, wanted: tuple[str, str]) -> None:
    pattern, words = wanted
    if not re.fullmatch(pattern, value):
        raise InvalidValue(field, f"{value!r} cannot be used; it needs {words}")
