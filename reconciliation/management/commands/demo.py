"""`manage.py demo`: see the portal find and repair drift, with nothing to set up."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reconciliation.demo.arguments import whole_number
from reconciliation.demo.folder import DemoFolder, FolderInUse
from reconciliation.demo.ports import PortInUse, free_port
from reconciliation.demo.processes import ChildEnded, Options, run_processes
from reconciliation.demo.stopping import stop_on_signals


class Command(BaseCommand):
    help = (
        "Start a paper exchange, bots that miss messages, the reconciliation loop and the console"
        " on loopback, on a database of their own. Needs no settings; Ctrl-C stops it."
    )
    # It brings its own secret, hosts and database, and reads none of the portal's.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--port", type=whole_number(0, 65535), default=8000, help="of the console (0: any)"
        )
        parser.add_argument(
            "--interval",
            type=whole_number(1, 3600),
            default=20,
            help="seconds between two reconciliations",
        )
        parser.add_argument(
            "--fresh", action="store_true", help="delete the demo's database and begin anew"
        )
        parser.add_argument(
            "--seed", type=int, default=1, help="another one makes the bots do other things"
        )
        parser.add_argument(
            "--folder",
            type=Path,
            default=Path(settings.BASE_DIR) / "var" / "demo",
            help="where the demo keeps its database (var/demo)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        folder = DemoFolder(options["folder"].resolve())
        try:
            with folder.locked(), stop_on_signals() as stop:
                port = free_port(options["port"])
                if options["fresh"]:
                    folder.clear()
                self.stdout.write(f"Starting the demo; its database is {folder.database}")
                self.stdout.flush()
                run_processes(
                    Options(
                        port=port,
                        interval=options["interval"],
                        seed=options["seed"],
                        folder=folder,
                        code=Path(settings.BASE_DIR),
                    ),
                    stop,
                )
        except FolderInUse as error:
            raise CommandError(
                f"a demo runs already in {folder.path} (process {error}). Stop it with Ctrl-C or"
                f" `kill {error}`, or start another one beside it:"
                " manage.py demo --port 8001 --folder var/demo2"
            ) from error
        except PortInUse as error:
            raise CommandError(
                f"port {options['port']} is in use by another program; choose another:"
                f" manage.py demo --port {options['port'] + 1}"
            ) from error
        except ChildEnded as error:
            raise CommandError(f"{error}; the demo was stopped") from error
