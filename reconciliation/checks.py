"""System checks of the settings: stable ids, the fault, and an example of what is right."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured

from reconciliation import conf

MISSING_SECRET_KEY = "recon.E001"  # noqa: S105  (an id, not a secret)
MISSING_ALLOWED_HOSTS = "recon.E002"
INVALID_SETTING = "recon.E003"
WEAK_INTERNAL_API_TOKEN = "recon.E004"  # noqa: S105  (an id, not a secret)
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
