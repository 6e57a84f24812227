"""System checks of the settings: stable ids, the fault, and an example of what is right."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from reconciliation import conf
from reconciliation.domain.signing import UnusableKey
from reconciliation.selectors.signing_keys import load_signer, others_may_read, trusted_keys

MISSING_SECRET_KEY = "recon.E001"  # noqa: S105  (an id, not a secret)
MISSING_ALLOWED_HOSTS = "recon.E002"
INVALID_SETTING = "recon.E003"
WEAK_INTERNAL_API_TOKEN = "recon.E004"  # noqa: S105  (an id, not a secret)
NO_CHECKPOINTS = "recon.W001"
UNUSABLE_AUDIT_KEY = "recon.W002"
PRIVATE_KEY_IS_READABLE = "recon.W003"
MIN_TOKEN_LENGTH = 16


@register(Tags.security)
def check_secrets(**kwargs: Any) -> list[CheckMessage]:
    """Refuse to start without what must not have a default."""
    messages: list[CheckMessage] = []
    if not _secret_key():
        messages.append(
            Error(
                "SECRET_KEY is not set.",
                hint=(
                    "Make one with `python -c 'import secrets; print(secrets.token_urlsafe(50))'`"
                    " and put it into the environment or .env. (`manage.py demo` makes its own.)"
                ),
                id=MISSING_SECRET_KEY,
            )
        )
    if not settings.DEBUG and not settings.ALLOWED_HOSTS:
        messages.append(
            Error(
                "ALLOWED_HOSTS is not set.",
                hint="Name the hosts of the portal, for example ALLOWED_HOSTS=recon.example.",
                id=MISSING_ALLOWED_HOSTS,
            )
        )
    return messages


def _secret_key() -> str:
    """Return the secret; Django itself raises when it is empty, which cannot be shown kindly."""
    try:
        return str(settings.SECRET_KEY)
    except ImproperlyConfigured:
        return ""


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Report every setting of the portal that cannot be used."""
    _, problems = conf.load(settings.RECON_ENVIRON)
    return [
        Error(f"{problem.name}: {problem.fault}.", hint=problem.hint, id=INVALID_SETTING)
        for problem in problems
    ]


@register(Tags.security)
def check_internal_api_token(**kwargs: Any) -> list[CheckMessage]:
    """Refuse a token of monitoring that could be guessed, or that no client can show."""
    token: str = settings.INTERNAL_API_TOKEN
    faults = []
    if token and len(token) < MIN_TOKEN_LENGTH:
        faults.append(f"is shorter than {MIN_TOKEN_LENGTH} characters")
    if not token.isascii() or any(sign.isspace() or not sign.isprintable() for sign in token):
        faults.append("holds signs that no header carries: blanks, or letters beyond ASCII")
    return [
        Error(
            f"INTERNAL_API_TOKEN {fault}.",
            hint="Make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`.",
            id=WEAK_INTERNAL_API_TOKEN,
        )
        for fault in faults
    ]


@register(Tags.security, deploy=True)
def check_checkpoints(**kwargs: Any) -> list[CheckMessage]:
    """Say that the audit trail is not signed: it can be used so, and less can be proven."""
    view, _ = conf.load(settings.RECON_ENVIRON)
    if view is None:
        return []
    unset = [
        name
        for name, value in (
            ("RECON_AUDIT_CHECKPOINT_DIR", view.audit_checkpoint_dir),
            ("RECON_AUDIT_SIGNING_KEY_FILE", view.audit_signing_key_file),
        )
        if value is None
    ]
    return [
        Warning(
            f"Checkpoints of the audit trail are off: {' and '.join(unset)} not set.",
            hint=(
                "Whoever has the database's password can cut or rewrite the trail unseen:"
                " docs/audit.md."
            ),
            id=NO_CHECKPOINTS,
        )
        for _ in unset[:1]
    ]


@register(Tags.security)
def check_audit_keys(**kwargs: Any) -> list[CheckMessage]:
    """Say what is wrong with the keys that are set; the portal works without signing."""
    view, _ = conf.load(settings.RECON_ENVIRON)
    if view is None or view.audit_signing_key_file is None:
        return []
    try:
        load_signer(view)
        trusted_keys(view)
    except UnusableKey as error:
        hint = "`manage.py audit_checkpoint --generate-key FILE` makes one: docs/audit.md."
        told = f"The audit trail cannot be signed or checked: {error}."
        return [Warning(told, hint=hint, id=UNUSABLE_AUDIT_KEY)]
    if others_may_read(view.audit_signing_key_file):
        told = f"Others than its owner may read {view.audit_signing_key_file}."
        hint = f"chmod 600 {view.audit_signing_key_file}"
        return [Warning(told, hint=hint, id=PRIVATE_KEY_IS_READABLE)]
    return []
