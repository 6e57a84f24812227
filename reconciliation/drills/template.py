"""A migrated SQLite file kept between commands: migrating takes longer than a drill does.

The file's name is a digest of all that migrations depend on, so that a change of any of it makes
a new one. A folder that cannot be written costs the time and nothing else.
"""

import hashlib
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings

logger = logging.getLogger(__name__)

_OWN_APP = "reconciliation"


class TemplateCache:
    """One migrated file, by the digest of what it was made from."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digest = migrations_digest()
        self._file = folder / f"template-{self._digest}.sqlite3"

    def load(self, target: Path) -> bool:
        """Copy the file to `target`; return False where there is none."""
        try:
            shutil.copyfile(self._file, target)
        except OSError:
            return False
        return True

    def store(self, source: Path) -> None:
        """Keep a migrated file; what was kept of older code goes.

        Code that was edited while it ran has a digest that does not belong to what it made.
        """
        if migrations_digest() != self._digest:
            return
        part = self._file.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, part)
            os.replace(part, self._file)
            for old in self._folder.glob("template-*.sqlite3"):
                if old != self._file:
                    old.unlink(missing_ok=True)
        except OSError as error:
            logger.info("the migrated template is not kept in %s: %s", self._folder, error)


def migrations_digest() -> str:
    """Return the digest of all code that can have a say in a migrated database."""
    digest = hashlib.sha256(repr((django.VERSION, settings.INSTALLED_APPS)).encode())
    for path in _sources():
        digest.update(path.as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:32]


def _sources() -> Iterator[Path]:
    """Yield every app's migrations, and all of our own code: receivers write rows as well."""
    for app in sorted(apps.get_app_configs(), key=lambda each: each.label):
        root = Path(app.path)
        pattern = "**/*.py" if app.label == _OWN_APP else "migrations/*.py"
        yield from sorted(root.glob(pattern))
