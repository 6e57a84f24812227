"""Who asks: a bot, by its key; and which profiles are its own."""

import logging
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest
from ninja.security import HttpBearer

from reconciliation import conf
from reconciliation.clock import SystemClock
from reconciliation.domain.api_keys import KeyState, is_secret, key_state, split_key
from reconciliation.domain.audit import Actor
from reconciliation.enums import ActorType
from reconciliation.handlers.accounts import moment_text
from reconciliation.handlers.api_keys import record_denial, record_unknown_key, record_use
from reconciliation.models import ApiKey, Profile
from reconciliation.selectors.api_keys import find_key
from reconciliation.web.api.errors import ApiError, request_id_of

logger = logging.getLogger(__name__)
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="reconciliation"'}
_LONGEST_PATH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A bot whose key is good, and the profiles that are its own, by name."""

    request: HttpRequest
    key: ApiKey
    profiles: dict[str, Profile]

    @property
    def actor(self) -> Actor:
        """Return the bot as the audit trail names it."""
        return _actor(self.key)

    @property
    def account(self) -> str:
        """Return the name of the one exchange account that the key is for."""
        return self.key.account.name

    def require_account(self, name: str) -> None:
        """Raise 403, which is audited, for another account than the key's, known or not."""
        if name != self.account:
            raise deny(
                self.request, self.key, 403, "account", f"this key is for account {self.account}"
            )

    def require_profile(self, name: str) -> Profile:
        """Return a profile of the key; raises 403, audited, for any other, known or not."""
        profile = self.profiles.get(name)
        if profile is None:
            own = ", ".join(self.profiles)
            raise deny(self.request, self.key, 403, "profile", f"this key is for {own}")
        return profile


class BearerKey(HttpBearer):
    """`Authorization: Bearer recon_…`: the key as `manage.py api_key create` showed it."""

    def __call__(self, request: HttpRequest) -> Caller:
        """Return who asks; raises 401 for a key that is absent, unknown, expired or revoked."""
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != self.openapi_scheme:
            raise _unknown("is missing; send `Authorization: Bearer <key>`")
        return self.authenticate(request, text.strip())

    def authenticate(self, request: HttpRequest, token: str) -> Caller:
        """Return the caller whose key this is."""
        parts = split_key(token)
        key = None if parts is None else find_key(parts[0])
        if parts is None or key is None or not is_secret(parts[1], key.digest):
            logger.warning("request %s: the key is not known", request_id_of(request))
            if token:
                record_unknown_key(
                    asked=f"{request.method} {request.path[:_LONGEST_PATH]}",
                    clock=SystemClock(),
                    conf=conf.require(settings.RECON_ENVIRON),
                    request_id=request_id_of(request),
                    ip=address_of(request),
                )
            raise _unknown("is not a key of this portal")
        now = SystemClock().now()
        match key_state(expires_at=key.expires_at, revoked_at=key.revoked_at, now=now):
            case KeyState.REVOKED:
                raise deny(request, key, 401, "Authorization", f"key {key.name} is revoked")
            case KeyState.EXPIRED:
                when = moment_text(key.expires_at)
                raise deny(request, key, 401, "Authorization", f"key {key.name} expired at {when}")
        record_use(use=key.use, now=now)
        profiles = {profile.name: profile for profile in key.profiles.all()}
        return Caller(request=request, key=key, profiles=profiles)


def caller_of(request: HttpRequest) -> Caller:
    """Return who asks, once the request has been let in."""
    caller = getattr(request, "auth", None)
    if not isinstance(caller, Caller):
        raise TypeError("this request was not authenticated")
    return caller


def address_of(request: HttpRequest) -> str:
    """Return the address that a request came from."""
    return str(request.META.get("REMOTE_ADDR", ""))


def deny(request: HttpRequest, key: ApiKey, status: int, field: str, reason: str) -> ApiError:
    """Record that the holder of a key was not let in; return what says so."""
    is_recorded = record_denial(
        key=key,
        reason=f"{field}: {reason}",
        asked=f"{request.method} {request.path[:_LONGEST_PATH]}",
        actor=_actor(key),
        clock=SystemClock(),
        conf=conf.require(settings.RECON_ENVIRON),
        request_id=request_id_of(request),
        ip=address_of(request),
    )
    if not is_recorded:
        logger.warning("request %s: key %s is denied again and again", request_id_of(request), key)
    return ApiError(status, field, reason, _CHALLENGE if status == 401 else None)


def _unknown(reason: str) -> ApiError:
    return ApiError(401, "Authorization", reason, _CHALLENGE)


def _actor(key: ApiKey) -> Actor:
    return Actor(type=ActorType.BOT, id=key.public_id, name=key.name)
