"""What a decision would do to profiles, as its confirmation shows it: capital, pauses, the gate."""

from collections.abc import Collection
from decimal import Decimal

from reconciliation.admin import display
from reconciliation.admin.deciding_types import clock, load_conf
from reconciliation.admin.links import link
from reconciliation.admin.page import Section, Table
from reconciliation.domain.gate import Gate
from reconciliation.selectors.consequences import Consequence, Effect, load_consequences

_MOST = 5
"""Profiles that are shown: a fill may be split over many."""


def consequence_sections(effect: Effect | None, profile_ids: Collection[int]) -> list[Section]:
    """Return what becomes of the profiles of a plan, before and after; nothing for no plan."""
    if effect is None:
        return []
    found = load_consequences(
        effect,
        sorted({*profile_ids, *(change.profile_id for change in effect.changes)})[:_MOST],
        conf=load_conf(),
        clock=clock(),
    )
    return [
        Table(
            title="What it does to the profile",
            headings=["Profile", "What", "Before", "After"],
            rows=[row for each in found for row in _rows(each)],
            empty="No profile's capital or gate changes.",
            note="Computed from the same plan, as of now; the next run reads the exchange anew.",
        )
    ]


def _rows(each: Consequence) -> list[list[str]]:
    name = link(each.profile)
    rows = [
        [name, "Entries", _entries(each.gate_before), _entries(each.gate_after)],
        [name, "Exits", _exits(each.gate_before), _exits(each.gate_after)],
    ]
    if each.capital_before is not None and each.capital_after is not None:
        before, after = each.capital_before, each.capital_after
        rows += [
            [name, "Capital used (USD)", *_amounts(before.used, after.used)],
            [name, "Capital free (USD)", *_amounts(before.free, after.free)],
        ]
        if before.unpriced:
            rows.append(
                [name, "Not in these sums", f"{before.unpriced} without a price", "the same"]
            )
    pauses = ", ".join(map(str, each.pauses)) or "none"
    kept = "the same: a pause ends by a person, or by clean heartbeats" if each.pauses else "none"
    return [*rows, [name, "Pauses", pauses, kept]]


def _amounts(before: Decimal, after: Decimal) -> tuple[str, str]:
    change = f" ({display.signed(after - before)})" if after != before else ""
    return display.amount(before), f"{display.amount(after)}{change}"


def _entries(gate: Gate) -> str:
    if gate.entries_allowed:
        return "allowed"
    return f"blocked: {', '.join(map(str, gate.reasons))}"


def _exits(gate: Gate) -> str:
    if not gate.exits_allowed:
        return "blocked for all symbols"
    limits = [
        f"{display.text(each.symbol)}: "
        + (f"at most {display.amount(each.max_exit_quantity)}" if each.exits_allowed else "blocked")
        for each in gate.symbols
    ]
    return "; ".join(limits) or "allowed"
