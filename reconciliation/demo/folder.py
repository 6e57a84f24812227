"""The folder that a demo keeps its database in, locked while a demo runs on it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

# A demo that was just killed needs a moment to be gone altogether.
_PATIENCE_SECONDS = 2.0
_ASK_SECONDS = 0.1


class FolderInUse(RuntimeError):
    """Another demo runs on the folder; the text names its process."""


class DemoFolder:
    """One demo's files: its database, the lock, and a folder that no static file is ever put in.

    The console serves the static files of the installed packages; the folder for collected ones
    must only exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "demo.sqlite3"
        self.database_url = f"sqlite:///{quote(str(self.database))}"
        self.static = path / "static"

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Make the folder and hold it; raises `FolderInUse` while another demo does.

        Whoever is handed the descriptor holds it too.
        """
        self.static.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._acquire(descriptor)
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            yield descriptor
        finally:
            os.close(descriptor)

    def refuse_if_used(self) -> None:
        """Raise `FolderInUse` while another demo holds the folder; leave nothing in it."""
        try:
            descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            self._acquire(descriptor)
        finally:
            os.close(descriptor)

    def clear(self) -> None:
        """Delete the database; only while the folder is locked."""
        for ending in ("", "-wal", "-shm", "-journal"):
            self.database.with_name(self.database.name + ending).unlink(missing_ok=True)

    def _acquire(self, descriptor: int) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    pid = os.read(descriptor, 20).decode(errors="replace") or "unknown"
                    raise FolderInUse(pid) from None
                time.sleep(_ASK_SECONDS)
            else:
                return
