"""The environments of the demo's processes: theirs alone, with secrets of their own."""

import json
import os
import secrets
from collections.abc import Mapping

from reconciliation.demo.accounts import ALL_SPECS
from reconciliation.demo.folder import DemoFolder

PASSWORDS = "DEMO_PASSWORDS"

# What a process needs of a shell, and nothing of the portal's own settings: no key of a live
# account, no proxy between the client and the exchange on this machine.
_PASSED_ON = frozenset(
    {"HOME", "LANG", "LANGUAGE", "LD_LIBRARY_PATH", "LOG_LEVEL", "PATH", "TMPDIR", "TZ", "USER"}
)
_PASSED_ON_PREFIXES = ("LC_", "PYTHON")


# So that a pause of the watchdog begins and ends while somebody watches.
SHORTENED = {
    "RECON_WATCHDOG_AUTO_RESUME_MIN_PAUSE_MS": "120000",
    "RECON_WATCHDOG_AUTO_RESUME_COOLDOWN_MS": "300000",
}


def demo_environ(environ: Mapping[str, str], *, folder: DemoFolder) -> dict[str, str]:
    """Return the settings of a portal that is a demo on the database of a folder."""
    passed = {
        name: value
        for name, value in environ.items()
        if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return {
        # What goes well is said by the demo itself.
        "LOG_LEVEL": "WARNING",
        **passed,
        "DJANGO_SETTINGS_MODULE": "recon_portal.settings",
        "ENV_FILE": os.devnull,
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "DEBUG": "false",
        "DEMO": "true",
        "HTTPS_ONLY": "false",
        "DATABASE_URL": folder.database_url,
        "STATIC_ROOT": str(folder.static),
        **SHORTENED,
    }


def passwords_to_environ(passwords: Mapping[str, str]) -> dict[str, str]:
    """Return the passwords of the demo's people, by user name, as one setting."""
    return {PASSWORDS: json.dumps(dict(passwords))}


def passwords_from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the passwords of the demo's people by user name, in the order in which they came."""
    passwords: dict[str, str] = json.loads(environ[PASSWORDS])
    return passwords


def keys_to_environ(keys: Mapping[str, str]) -> dict[str, str]:
    """Return the bots' keys as the settings by which they reach their process."""
    return {spec.key_variable: keys[spec.profile] for spec in ALL_SPECS}


def keys_from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the bots' keys by profile."""
    return {spec.profile: environ[spec.key_variable] for spec in ALL_SPECS}
