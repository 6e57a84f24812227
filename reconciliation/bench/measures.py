"""What a simulation counts, and how it says it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Measures:
    """The counts of one desk, or of all: plain numbers, so that they can be added and compared."""

    cycles: int = 0
    desks: int = 0
    slices: int = 0
    fills: int = 0
    events: Counter[str] = field(default_factory=Counter)
    wrong_closes: list[str] = field(default_factory=list)
    healed: Counter[int] = field(default_factory=Counter)
    healed_by_person: Counter[int] = field(default_factory=Counter)
    still_open: int = 0

    def add(self, other: "Measures") -> None:
        """Add the counts of another desk."""
        self.cycles += other.cycles
        self.desks += other.desks
        self.slices += other.slices
        self.fills += other.fills
        self.events += other.events
        self.wrong_closes += other.wrong_closes
        self.healed += other.healed
        self.healed_by_person += other.healed_by_person
        self.still_open += other.still_open

    def as_dict(self) -> dict[str, object]:
        """Return the measures as they are printed."""
        healed = self.healed + self.healed_by_person
        alone = sum(self.healed.values())
        return {
            "cycles": self.cycles,
            "desks": self.desks,
            "slices": self.slices,
            "fills": self.fills,
            "wrong_automatic_closes": len(self.wrong_closes),
            "automatic_closes": self.events["synthetic"] + self.events["backfill"],
            "synthetic_exits": self.events["synthetic"],
            "backfilled_exits": self.events["backfill"],
            "reconciled_fills": self.events["reconciled"],
            "quarantines": self.events["quarantined"],
            "wrong_quarantines": self.events["wrong_quarantined"],
            "released": self.events["released"],
            "divergences": sum(healed.values()) + self.still_open,
            "healed": sum(healed.values()),
            "healed_without_a_person": alone,
            "share_healed_without_a_person": _share(alone, sum(healed.values())),
            "still_open": self.still_open,
            "cycles_to_heal": {
                "p50": _percentile(healed, 50),
                "p95": _percentile(healed, 95),
                "max": max(healed, default=None),
            },
            "cycles_to_heal_without_a_person": {
                "p50": _percentile(self.healed, 50),
                "p95": _percentile(self.healed, 95),
                "max": max(self.healed, default=None),
            },
            "operator_decisions": self.events["operator"],
            "stuck_in_quarantine": self.events["stuck"],
        }


def sum_of(parts: Iterable[Measures]) -> Measures:
    """Return the counts of several desks as one."""
    whole = Measures()
    for part in parts:
        whole.add(part)
    return whole


def _share(part: int, whole: int) -> str | None:
    """Return a share as text with four digits; a float's digits would be nobody's."""
    if whole == 0:
        return None
    return f"{part * 10000 // whole / 10000:.4f}"


def _percentile(counts: Counter[int], percent: int) -> int | None:
    """Return the smallest value that so many of a hundred do not exceed."""
    whole = sum(counts.values())
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        if seen * 100 >= whole * percent:
            return value
    return None
