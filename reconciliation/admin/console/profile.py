"""How one profile stands: what its bot is told and why, its pauses, its money, its lock."""

from collections.abc import Iterable

from reconciliation.admin import deciding_types, display
from reconciliation.admin.audit_urls import timeline_url_of
from reconciliation.admin.console import advice
from reconciliation.admin.console.meters import meter_of, pause_shown, usd
from reconciliation.admin.links import anchor, changelist_url, link
from reconciliation.admin.page import Block, Facts, Own, Section, Table
from reconciliation.admin.reads import free_capital
from reconciliation.admin.runbook_links import what_to_do
from reconciliation.clock import Clock
from reconciliation.conf import Conf
from reconciliation.domain.gate import Gate, SymbolGate
from reconciliation.enums import GateReason
from reconciliation.models import CapitalBalance, CapitalEntry, Profile
from reconciliation.selectors.gate import gate_answer, load_gate
from reconciliation.selectors.locks import load_held_leases
from reconciliation.selectors.watchdog import load_held_pauses, load_strains


def standing_sections(profile: Profile) -> Iterable[Section]:
    """Yield what has to be known of a profile first, in order: may it trade, why not, what ends it.

    The gate is asked as its bot asks for it, by the same read.
    """
    clock, conf = deciding_types.page_clock(), deciding_types.load_conf()
    now = clock.now()
    gate, as_of = load_gate(profile, conf=conf, clock=clock)
    yield _gate(gate)
    if gate.symbols:
        yield _symbols(gate.symbols)
    yield Block.of(
        title="The answer as its bot gets it",
        text=display.pretty_json(gate_answer(profile.name, gate, as_of)),
        folded="The JSON of the gate, as of this page",
    )
    held = load_held_pauses(conf=conf, now=now, profile_id=profile.pk)
    if held:
        yield Own(
            template="admin/console/sections/pauses.html",
            title="Pauses that hold",
            value=[pause_shown(each, now=now) for each in held],
        )
    yield Own(
        template="admin/console/sections/meter.html",
        title="Mismatches in money, against the watchdog's limit",
        value=[meter_of(each, now=now) for each in load_strains(conf=conf, profile_id=profile.pk)],
    )
    yield _capital(profile)
    yield _lock(profile, clock)


def blocked_by(profile: Profile, *, conf: Conf, clock: Clock) -> list[GateReason]:
    """Return the reasons for which the profile's bot may not open anything now."""
    gate, _ = load_gate(profile, conf=conf, clock=clock)
    return list(gate.reasons)


def timeline(profile: Profile) -> str:
    """Return a link to all that was ever done to a profile."""
    return anchor(timeline_url_of(profile), "its audit timeline")


def _gate(gate: Gate) -> Own:
    exits = "allowed" if gate.exits_allowed else "not allowed"
    if gate.exits_allowed and gate.symbols:
        exits = "allowed, but for the symbols below"
    rows = [
        (reason.value, *advice.GATE.get(reason, ("", "")), what_to_do(reason))
        for reason in gate.reasons
    ]
    return Own(
        template="admin/console/sections/gate.html",
        title="What its bot is told",
        value={
            "is_open": gate.entries_allowed,
            "entries": "allowed" if gate.entries_allowed else "not allowed",
            "exits": exits,
            "reasons": rows,
            "retry": ""
            if gate.retry_after is None
            else display.span(max(1.0, gate.retry_after.total_seconds())),
        },
    )


def _symbols(symbols: Iterable[SymbolGate]) -> Table:
    return Table(
        title="Symbols in which it may do less",
        headings=["Symbol", "Exits", "At most (base units)", "Why"],
        rows=[
            [
                display.text(each.symbol),
                "reduce-only" if each.exits_allowed else "not allowed",
                display.amount(each.max_exit_quantity),
                ", ".join(reason.value for reason in each.reasons),
            ]
            for each in symbols
        ],
        foreign=True,
    )


def _capital(profile: Profile) -> Facts:
    balance: CapitalBalance | None = getattr(profile, "capital", None)
    ledger = anchor(
        changelist_url(CapitalEntry, {"profile__id__exact": profile.pk}), "rows of the ledger"
    )
    allocated = ("Allocated", usd(profile.allocated_capital_usd))
    if balance is None:
        never = ("Reserved, used, free", "UNKNOWN: no cycle has reckoned it yet")
        return Facts(title="Capital", rows=[allocated, never, ("Ledger", ledger)])
    free = free_capital(balance)
    return Facts(
        title="Capital",
        rows=[
            allocated,
            ("Reserved by open entry orders", usd(balance.reserved_usd)),
            ("Used by open slices", usd(balance.used_usd)),
            ("Free", usd(free) + (": more is bound than was allocated" if free < 0 else "")),
            ("Orders and slices without a price, in no sum", str(balance.unpriced)),
            ("Reckoned", display.moment(balance.updated_at)),
            ("Ledger", display.spaced(link(balance), ledger)),
        ],
    )


def _lock(profile: Profile, clock: Clock) -> Facts:
    held = [each for each in load_held_leases(clock=clock) if each.profile == profile.name]
    lease = link(getattr(profile, "lease", None))
    rows = [("Lock", lease), ("State", "free: nobody writes to its books now")]
    if held:
        rows = [
            ("Lock", lease),
            ("State", "held"),
            ("Holder", display.text(held[0].holder)),
            ("Since", display.age(held[0].since, clock.now())),
            ("Until", display.age(held[0].until, clock.now())),
        ]
    return Facts(title="Reconciliation lock", rows=rows)
