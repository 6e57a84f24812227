"""Keys of bots: created, revoked, and what was tried in vain with one; each is an audit event."""

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.api_keys import PUBLIC_ID_BYTES, SECRET_BYTES, digest_of, key_text
from reconciliation.domain.audit import Actor, EventDraft
from reconciliation.enums import ActorType, AuditOutcome
from reconciliation.handlers.accounts import AlreadyExists, InvalidValue, check_name
from reconciliation.handlers.bulk import insert_rows
from reconciliation.handlers.unit import transaction_unit
from reconciliation.models import ApiKey, ApiKeyProfile, ApiKeyUse, AuditEvent, Profile

MAX_LIFETIME = timedelta(days=5 * 365 + 1)
# How exactly the last use is known: not each request writes it.
USE_RESOLUTION = timedelta(minutes=1)
# Of one key. A bot that goes on asking with a key that was taken from it says nothing new, and must
# neither fill the audit trail nor keep others waiting for its head.
MOST_DENIALS_A_MINUTE = 10
_MINUTE = timedelta(minutes=1)
MOST_UNKNOWN_A_MINUTE = 100
_OBJECT, _DENIED = "api_key", "api.denied"
_ATTEMPT, _UNKNOWN = "api_attempt", "unknown key"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key; `text` is nowhere else and cannot be read again."""

    key: ApiKey
    profiles: tuple[str, ...]
    text: str


def create_key(
    *,
    name: str,
    profiles: Collection[str],
    lifetime: timedelta,
    actor: Actor,
    clock: Clock,
    conf: Conf,
    request_id: str = "",
    ip: str = "",
) -> IssuedKey:
    """Create a key for profiles of one exchange account.

    Raises `InvalidValue` for a field that cannot be right (`name`, `profiles`, `lifetime`),
    `AlreadyExists` when the name was ever given.
    """
    check_name(name)
    if not timedelta(0) < lifetime <= MAX_LIFETIME:
        raise InvalidValue("lifetime", f"a key lives for 1 to {MAX_LIFETIME.days} days")
    public_id, secret = secrets.token_hex(PUBLIC_ID_BYTES), secrets.token_hex(SECRET_BYTES)
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
        if ApiKey.objects.filter(name=name).exists():
            raise AlreadyExists(f"a key {name!r} exists, or existed; choose another name")
        rows = _profiles(profiles)
        names = tuple(row.name for row in rows)
        key = ApiKey.objects.create(
            name=name,
            public_id=public_id,
            digest=digest_of(secret),
            account=rows[0].account,
            created_at=unit.now,
            created_by=actor.name,
            expires_at=unit.now + lifetime,
        )
        insert_rows(ApiKeyProfile, [ApiKeyProfile(api_key=key, profile=row) for row in rows])
        ApiKeyUse.objects.create(api_key=key)
        unit.record(
            _event(
                "api_key.created",
                key,
                after={"public_id": public_id, "profiles": names, "expires_at": key.expires_at},
            )
        )
    return IssuedKey(key=key, profiles=names, text=key_text(public_id, secret))


def revoke_key(
    *,
    name: str,
    actor: Actor,
    clock: Clock,
    conf: Conf,
    request_id: str = "",
    ip: str = "",
) -> tuple[ApiKey, bool]:
    """Let a key open nothing from now on; return it, and whether that is a change.

    Raises ApiKey.DoesNotExist for an unknown name.
    """
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
        rows = ApiKey.objects.select_for_update(no_key=True, of=("self",)).select_related("account")
        key = rows.get(name=name)
        if key.revoked_at is not None:
            return key, False
        key.revoked_at, key.revoked_by = unit.now, actor.name
        key.save(update_fields=["revoked_at", "revoked_by"])
        unit.record(
            _event(
                "api_key.revoked",
                key,
                before={"revoked_at": None},
                after={"revoked_at": key.revoked_at},
            )
        )
    return key, True


def record_denial(
    *,
    key: ApiKey,
    reason: str,
    asked: str,
    actor: Actor,
    clock: Clock,
    conf: Conf,
    request_id: str,
    ip: str,
) -> bool:
    """Record that the holder of a key was not let in; `asked` is the method and the path.

    Returns False, and records nothing, once that happened `MOST_DENIALS_A_MINUTE` times.
    """
    denials = AuditEvent.objects.filter(object_type=_OBJECT, object_id=str(key.pk), action=_DENIED)
    if _is_flood(denials, MOST_DENIALS_A_MINUTE, clock.now()):
        return False
    with transaction_unit(
        actor=actor, clock=clock, settings_hash=conf.hash(), request_id=request_id, ip=ip
    ) as unit:
        unit.record(
            _event(
                _DENIED,
                key,
                outcome=AuditOutcome.DENIED,
                after={"asked": asked},
                comment=reason,
            )
        )
    return True


def record_unknown_key(*, asked: str, clock: Clock, conf: Conf, request_id: str, ip: str) -> bool:
    """Record that somebody asked with a key that the portal does not know; not the key itself.

    Returns False, and records nothing, once that happened `MOST_DENIALS_A_MINUTE` times from that
    address, or `MOST_UNKNOWN_A_MINUTE` times in all: who has no key must not fill the trail.
    """
    attempt = hashlib.sha256(ip.encode()).hexdigest()[:32]
    own = AuditEvent.objects.filter(object_type=_ATTEMPT, object_id=attempt)
    nobody = AuditEvent.objects.filter(actor_name=_UNKNOWN, action=_DENIED)
    now = clock.now()
    if _is_flood(own, MOST_DENIALS_A_MINUTE, now) or _is_flood(nobody, MOST_UNKNOWN_A_MINUTE, now):
        return False
    with transaction_unit(
        actor=Actor(type=ActorType.BOT, id="", name=_UNKNOWN),
        clock=clock,
        settings_hash=conf.hash(),
        request_id=request_id,
        ip=ip,
    ) as unit:
        unit.record(
            EventDraft(
                action="api.denied",
                outcome=AuditOutcome.DENIED,
                object_type=_ATTEMPT,
                object_id=attempt,
                after={"asked": asked},
                comment="the key is not one of this portal",
            )
        )
    return True


def _is_flood(events: QuerySet[AuditEvent], most: int, now: datetime) -> bool:
    newest = list(events.order_by("-sequence").values_list("occurred_at", flat=True)[:most])
    return len(newest) == most and abs(now - newest[-1]) < _MINUTE


def record_use(*, use: ApiKeyUse, now: datetime) -> bool:
    """Note that a key was used, at most once a minute; return whether that wrote anything."""
    stale = now - USE_RESOLUTION
    if use.last_used_at is not None and use.last_used_at > stale:
        return False
    # Requests at once write it once.
    rows = ApiKeyUse.objects.filter(pk=use.pk)
    due = rows.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lte=stale))
    return due.update(last_used_at=now) == 1


def _profiles(names: Collection[str]) -> list[Profile]:
    """Return the profiles of a key; raises `InvalidValue` where they cannot be of one."""
    wanted = sorted(set(names))
    rows = Profile.objects.filter(name__in=wanted).select_related("account").order_by("name")
    found = list(rows)
    missing = sorted(set(wanted) - {row.name for row in found})
    if missing:
        raise InvalidValue("profiles", f"no profile is called {', '.join(map(repr, missing))}")
    accounts = sorted({row.account.name for row in found})
    if len(accounts) != 1:
        given = f"they are of {' and '.join(accounts)}" if accounts else "none is named"
        raise InvalidValue("profiles", f"a key is for profiles of one account; {given}")
    return found


def _event(
    action: str,
    key: ApiKey,
    *,
    outcome: AuditOutcome = AuditOutcome.APPLIED,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
    comment: str = "",
) -> EventDraft:
    return EventDraft(
        action=action,
        outcome=outcome,
        object_type=_OBJECT,
        object_id=str(key.pk),
        account=key.account.name,
        before=before or {},
        after={"name": key.name, **(after or {})},
        comment=comment,
    )
