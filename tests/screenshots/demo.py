"""A demo that lives as long as the pictures are taken."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

_OPEN = re.compile(r"^Open +(http\S+?)/admin/", re.MULTILINE)
_PASSWORD = re.compile(r"^demo +(\S+) +may", re.MULTILINE)
_WITHIN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Demo:
    """Where a demo answers, the password of who may do everything, and its database."""

    url: str
    password: str
    database: Path


@contextmanager
def started() -> Iterator[Demo]:
    """Start a demo, and stop it when it is not needed any more."""
    with TemporaryDirectory() as folder:
        said = Path(folder, "said")
        with said.open("w") as out:
            process = subprocess.Popen(  # noqa: S603  (our own command)
                [sys.executable, "manage.py", "demo", "--port", "0", "--folder", folder],
                stdout=out,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        try:
            yield _told(said, Path(folder, "demo.sqlite3"))
        finally:
            process.terminate()
            process.wait(_WITHIN_SECONDS)


def _told(said: Path, database: Path) -> Demo:
    until = time.monotonic() + _WITHIN_SECONDS
    while time.monotonic() < until:
        text = said.read_text()
        url, password = _OPEN.search(text), _PASSWORD.search(text)
        if url and password:
            return Demo(url[1], password[1], database)
        time.sleep(1)
    sys.exit(f"The demo did not start:\n{said.read_text()}")
