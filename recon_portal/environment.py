"""Reading Django's settings from the environment, strictly.

A text that does not say what a setting needs is never taken for its default: every such fault is
noted, and `refuse_faults` ends the start with all of them, each with the name and an example.
"""

import io
import os
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

ENV_FILE = "ENV_FILE"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DATABASE_EXAMPLES = (
    "DATABASE_URL=postgres://recon:password@db.example:5432/recon?sslmode=require"
    " or DATABASE_URL=sqlite:////srv/recon/portal.sqlite3"
)
_SWITCH = {
    **dict.fromkeys(("true", "yes", "on", "1"), True),
    **dict.fromkeys(("false", "no", "off", "0"), False),
}
_SCHEMES = ("postgres", "postgresql", "sqlite")
_SETTING = re.compile(r"(?:export )?[A-Za-z_0-9]+=")
_LINE = re.compile(r"\s*(?:#.*)?|(?:export )?[A-Za-z_0-9]+=.*")


class Environment:
    """The environment with an `.env` file beneath it: what the environment sets has precedence."""

    def __init__(self, default_file: Path, variables: MutableMapping[str, str] = os.environ):
        self.variables = variables
        self._faults: list[str] = []
        own = frozenset(variables)
        self._read_file(default_file)
        self.from_file = frozenset(variables) - own
        """The names that only the file sets, for whoever asks where a setting comes from."""

    def text(self, name: str, default: str = "") -> str:
        """Return a setting; one that is empty counts as unset."""
        return self.variables.get(name, "").strip() or default

    def words(self, name: str) -> list[str]:
        """Return a setting that lists words, separated by commas."""
        return [word.strip() for word in self.text(name).split(",") if word.strip()]

    def switch(self, name: str, *, default: bool) -> bool:
        """Return a setting that is on or off."""
        text = self.text(name, "true" if default else "false")
        if text.lower() not in _SWITCH:
            example = f"{name}={str(default).lower()}"
            self._fault(name, f"{text!r} is neither true nor false", example)
        return _SWITCH.get(text.lower(), default)

    def whole_number(self, name: str, *, default: int, low: int, high: int) -> int:
        """Return a setting that is a whole number from `low` to `high`."""
        text = self.text(name, str(default))
        if not re.fullmatch(r"[0-9]{1,18}", text) or not low <= int(text) <= high:
            fault = f"{text!r} is not a whole number from {low} to {high}"
            self._fault(name, fault, f"{name}={default}")
            return default
        return int(text)

    def log_level(self, name: str) -> str:
        """Return a level of the log, INFO unless set."""
        text = self.text(name, "INFO").upper()
        if text not in LOG_LEVELS:
            self._fault(name, f"{text!r} is none of {', '.join(LOG_LEVELS)}", f"{name}=INFO")
            return "INFO"
        return text

    def database(self, name: str, *, default: Path) -> dict[str, Any]:
        """Return Django's description of a database, unless set that of the SQLite file `default`.

        Its URL may hold a password, so a fault in it quotes nothing of it.
        """
        url = self.text(name)
        fault = _database_fault(url) if url else None
        if fault is not None:
            told = f"{fault} (it is not shown, since it may hold a password)"
            self._fault(name, told, DATABASE_EXAMPLES)
        if url and fault is None:
            config: dict[str, Any] = environ.Env.db_url_config(url)
            return config
        self._make(default.parent, name, DATABASE_EXAMPLES)
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(default)}

    def folder(self, name: str, *, default: Path) -> Path:
        """Return a folder, which is made where it does not exist."""
        path = Path(self.text(name, str(default)))
        self._make(path, name, f"{name}={default}")
        return path

    def refuse_faults(self) -> None:
        """Raise ImproperlyConfigured with everything that is wrong, a line each."""
        if self._faults:
            raise ImproperlyConfigured("\n".join(self._faults))

    def _read_file(self, default: Path) -> None:
        named = self.text(ENV_FILE)
        path = Path(named) if named else default
        if not path.exists():
            if named:
                self._fault(ENV_FILE, f"there is no file {named!r}", f"{ENV_FILE}=.env")
            return
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = (error.strerror if isinstance(error, OSError) else "") or "it is no UTF-8 text"
            self._fault(ENV_FILE, f"{str(path)!r} cannot be read: {why}", f"{ENV_FILE}=.env")
            return
        lines = content.splitlines()
        for number, line in enumerate(lines, start=1):
            if not _LINE.fullmatch(line):
                # Not shown: it may hold a key.
                fault = f"line {number} of {str(path)!r} is not NAME=value, without spaces before ="
                self._fault(ENV_FILE, fault, "HTTPS_ONLY=true")
        reader: Any = type("Reader", (environ.Env,), {"ENVIRON": self.variables})
        reader.read_env(io.StringIO("\n".join(line for line in lines if _SETTING.match(line))))

    def _make(self, folder: Path, name: str, example: str) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self._fault(name, f"{str(folder)!r} cannot be made: {error.strerror}", example)

    def _fault(self, name: str, fault: str, example: str) -> None:
        self._faults.append(f"{name}: {fault}; for example {example}")


def _database_fault(url: str) -> str | None:
    """Return what is wrong with the URL of a database, in words that quote nothing of it."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in _SCHEMES:
        return "it is not the URL of a PostgreSQL or SQLite database"
    if scheme == "sqlite":
        named = rest.startswith("/") and rest.strip("/")
        return None if named else "it names no file: sqlite:// is followed by / and a path"
    try:
        config = environ.Env.db_url_config(url)
    except ValueError:
        return "its port is no number, or its password has signs to write as %2F, %40, %3A"
    if not config["NAME"]:
        return "it names no database"
    if set("@/") & set(config["NAME"]):
        return "its password has signs to write as %2F, %40, %3A"
    return None
