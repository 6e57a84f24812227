"""`manage.py simulate`: desks in memory, an oracle that knows the truth, wrong closes counted."""

import json
from random import SystemRandom
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from reconciliation import conf as portal_conf
from reconciliation.bench.simulation import Simulated, simulate


class Command(BaseCommand):
    requires_system_checks: list[str] = []  # it serves nobody, and needs neither key nor host
    help = (
        "Simulate trading desks against an exchange whose truth is known, and count wrong closes."
        " Nothing is read or written outside of memory."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--cycles", type=int, default=10_000, help="cycles to simulate")
        parser.add_argument("--seed", type=int, help="replay this seed (a new one by default)")
        parser.add_argument("--desk", type=int, default=0, help="begin with this desk of the seed")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Simulate and report; exit status 1 where a slice was closed that was still held."""
        if options["cycles"] < 1:
            raise CommandError("--cycles: there must be at least one")
        seed = options["seed"]
        if seed is None:
            seed = SystemRandom().randrange(10**9)
        if not options["json"]:
            self.stdout.write(f"seed {seed}")
            self.stdout.flush()
        done = simulate(
            cycles=options["cycles"],
            seed=seed,
            conf=portal_conf.require(settings.RECON_ENVIRON),
            first_desk=options["desk"],
        )
        report = {"seed": seed, "first_desk": options["desk"], **done.measures.as_dict()}
        self.stdout.write(json.dumps(report) if options["json"] else "\n".join(_in_lines(report)))
        if done.measures.wrong_closes:
            self.stderr.write("\n".join(_complaint(done)))
            raise SystemExit(1)


def _in_lines(report: dict[str, object]) -> list[str]:
    return [f"{name.replace('_', ' ')}: {value}" for name, value in report.items()]


def _complaint(done: Simulated) -> list[str]:
    return [
        *done.measures.wrong_closes[:20],
        "",
        "What happened to the first of them:",
        *done.history,
    ]
