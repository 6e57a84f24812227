"""`manage.py demo`: see the portal find and repair drift, with nothing to set up."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reconciliation.demo.arguments import whole_number
from reconciliation.demo.environment import demo_environ
from reconciliation.demo.folder import DemoFolder, FolderInUse
from reconciliation.demo.ports import PortInUse, free_port, other_port

SEED = 1
FOLDER = Path(settings.BASE_DIR) / "var" / "demo"


class Command(BaseCommand):
    help = (
        "Start the portal on loopback, with a paper exchange, bots that miss messages and a"
        " database of their own. Needs no settings; Ctrl-C stops it."
    )
    # It brings its own secret, hosts and database, and reads none of the portal's.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=whole_number(0, 65535), default=8000, help="of the console (0: any)"
        )
        parser.add_argument(
            "--fresh", action="store_true", help="delete the demo's database and begin anew"
        )
        parser.add_argument(
            "--seed", type=int, default=SEED, help="another one makes the bots do other things"
        )
        parser.add_argument(
            "--folder",
            type=Path,
            default=FOLDER,
            help="where the demo keeps its database (var/demo)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = DemoFolder(options["folder"].resolve())
        try:
            # Before the folder is made: a demo that cannot start leaves nothing behind.
            folder.refuse_if_used()
            port = free_port(options["port"])
            with folder.locked() as lock:
                if options["fresh"]:
                    folder.clear()
                self.stdout.write(f"Starting the demo; its database is {folder.database}")
                self.stdout.flush()
                _become_the_demo(folder, port=port, seed=options["seed"], lock=lock)
        except FolderInUse as error:
            beside = options | {"folder": Path(f"{options['folder']}2")}
            raise CommandError(
                f"a demo runs already in {folder.path} (process {error}). Stop it with Ctrl-C or"
                f" `kill {error}`, or start another one beside it: {_line_with_other_port(beside)}"
            ) from error
        except PortInUse as error:
            raise CommandError(
                f"port {options['port']} is in use by another program; choose another:"
                f" {_line_with_other_port(options)}"
            ) from error


def _become_the_demo(folder: DemoFolder, *, port: int, seed: int, lock: int) -> None:
    """Go on as another program, in its own settings: this process has read the portal's."""
    os.set_inheritable(lock, True)
    os.chdir(settings.BASE_DIR)
    arguments = ["-m", "reconciliation.demo", "start", str(port), str(seed), str(lock)]
    os.execve(  # noqa: S606  (our own module)
        sys.executable, [sys.executable, *arguments], demo_environ(os.environ, folder=folder)
    )


def _line_with_other_port(options: dict[str, Any]) -> str:
    """Return the line that starts the demo as it was asked for, on another port."""
    words = ["manage.py", "demo", "--port", str(other_port(options["port"]))]
    for name, default in (("seed", SEED), ("folder", FOLDER)):
        if options[name] != default:
            words += [f"--{name}", str(options[name])]
    if options["fresh"]:
        words.append("--fresh")
    return shlex.join(words)
