"""Rehearse incidents from files: `manage.py drill FILE… [--json]`."""

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from reconciliation.drills.errors import DrillError
from reconciliation.drills.report import as_json, result_lines, summary_line
from reconciliation.drills.runner import DrillResult
from reconciliation.drills.suite import run_files


class Command(BaseCommand):
    """Exit status 0: all passed; 1: some failed; 2: a file cannot be read or is not served."""

    help = (
        "Set up a world from each file, run the real code against it in a scratch database, and "
        "compare what came of it. See docs/drills/README.md."
    )
    # A drill brings its own settings and database, and needs neither a secret nor a host.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", type=Path)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        as_text = not options["json"]

        def on_error(error: DrillError) -> None:
            self.stderr.write(str(error))

        def on_result(result: DrillResult) -> None:
            for remark in result.remarks:
                self.stderr.write(f"{result.file}: note: {remark}")
            if as_text:
                self.stdout.write("\n".join(result_lines(result)))

        outcome = run_files(
            options["files"], on_error=on_error, on_result=on_result, with_state=not as_text
        )
        self.stdout.write(summary_line(outcome) if as_text else as_json(outcome))
        if outcome.exit_status:
            sys.exit(outcome.exit_status)
