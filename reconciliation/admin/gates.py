"""Every gate that a waiting row was held against: whether it passed, and by which numbers.

Whether a gate of the backfill passed is what the verdict says; the numbers are of its evidence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.deciding_types import QueuedCase, load_conf
from reconciliation.admin.links import link, link_to
from reconciliation.admin.page import Table
from reconciliation.conf import Conf
from reconciliation.enums import NoGoReason, QuarantineReason
from reconciliation.models import BackfillCandidate, ReviewItem, Run
from reconciliation.selectors.decisions import EvidenceAge
from reconciliation.selectors.reviews import Question
from reconciliation.selectors.states import trade_state


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A condition; `passed` is None where it was not looked at, or is not known."""

    name: str
    passed: bool | None
    says: str


_WORDS = {True: ("good", "passed"), False: ("bad", "failed"), None: ("doubt", "not judged")}


def gates_table(question: Question, *, conf: Conf, now: datetime) -> Table:
    """Return the gates of the evidence, and those of a decision on it."""
    row = question.subject.row
    gates: list[Gate] = []
    if isinstance(row, BackfillCandidate):
        gates += _of_fill(row, question)
    elif isinstance(row, ReviewItem):
        gates += _of_slice(row, question, conf)
    gates += _of_decision(question, conf, now)
    return table_of(gates)


def table_of(gates: list[Gate]) -> Table:
    """Return gates as a table, each result as a word."""
    return Table(
        title="Gates",
        headings=["Gate", "Result", "By which numbers"],
        rows=[[gate.name, _result(gate.passed), gate.says] for gate in gates],
        note="What failed is why a person is asked, or what a decision still needs.",
        foreign=True,
    )


def nobodys_gates(
    case: QueuedCase, age: EvidenceAge, worth: Decimal | None, moment: datetime
) -> list[Table]:
    """Return the gates of what belongs to nobody, and as of when the exchange was read."""
    conf = load_conf()
    seen_by = (
        "when it was put here"
        if age.run_id is None
        else link_to(Run, age.run_id, f"run {age.run_id}")
    )
    return [
        table_of(
            [
                freshness(age.seen_at, is_stale=age.is_stale, conf=conf, now=moment),
                one_person(worth, is_second=False, conf=conf),
            ]
        ),
        Table(
            title="Where both sides come from",
            headings=["Side", "Source", "As of"],
            rows=[
                [
                    "Database",
                    "the portal's books, as the run compared them",
                    display.age(age.seen_at, moment),
                ],
                [
                    "Exchange",
                    format_html("{} of {}: {}", case.job, link(case.row.account), seen_by),
                    display.age(age.seen_at, moment),
                ],
            ],
        ),
    ]


def freshness(seen_at: datetime, *, is_stale: bool, conf: Conf, now: datetime) -> Gate:
    """Return whether the evidence is young enough to approve on."""
    limit = display.span(conf.review_evidence_max_age.total_seconds())
    age = display.span(max((now - seen_at).total_seconds(), 0))
    return Gate(
        name="Evidence is fresh",
        passed=not is_stale,
        says=f"{age} old; at most {limit} to approve (RECON_REVIEW_EVIDENCE_MAX_AGE_MINUTES)",
    )


def one_person(notional: Any, *, is_second: bool, conf: Conf) -> Gate:
    """Return whether one person may approve; from a worth on two have to."""
    limit = conf.four_eyes_min_notional_usd
    worth = "of unknown worth" if notional is None else f"worth {display.amount(notional)} USD"
    if limit is None:
        says = f"{worth}; no limit is set (RECON_FOUR_EYES_MIN_NOTIONAL_USD)"
        return Gate(name="One person is enough", passed=True, says=says)
    enough = notional is not None and notional < limit
    says = f"{worth}; two people from {display.amount(limit)} USD on"
    if is_second:
        says += "; the first has proposed it"
    return Gate(name="One person is enough", passed=enough, says=says)


def _result(passed: bool | None) -> str:
    css, word = _WORDS[passed]
    return format_html('<span class="word {}">{}</span>', css, word)


def _of_decision(question: Question, conf: Conf, now: datetime) -> Iterator[Gate]:
    if not question.subject.is_waiting:
        return
    yield freshness(question.age.seen_at, is_stale=question.age.is_stale, conf=conf, now=now)
    yield one_person(question.worth, is_second=question.proposal is not None, conf=conf)


def _of_fill(row: BackfillCandidate, question: Question) -> Iterator[Gate]:
    reasons = set(row.reasons)
    owner = _mapping(row.evidence.get("owner"))
    settings = _mapping(row.evidence.get("settings"))
    named = row.evidence.get("slices")
    slices = (
        [each for each in named if isinstance(each, Mapping)] if isinstance(named, list) else []
    )
    found = row.evidence.get("suggestions")
    count = len(found) if isinstance(found, list) else 0
    is_foreign = NoGoReason.FOREIGN_SUB_TAG in reasons
    has_slice = bool(slices) and not is_foreign

    def judged(*failing: NoGoReason, when: bool = True) -> bool | None:
        if reasons & set(failing):
            return False
        return True if when else None

    whose = owner.get("conflict") or owner.get("profile")
    tag = display.text(row.fill.sub_tag)
    yield Gate(
        name="Not another profile's",
        passed=judged(NoGoReason.FOREIGN_SUB_TAG),
        says=f"tag {tag}, client order id {display.text(row.fill.client_order_id)}; "
        f"by them it is {display.text(whose or 'of nobody')}",
    )
    yield Gate(
        name="A slice fits",
        passed=judged(NoGoReason.NO_MATCH, when=not is_foreign),
        says=f"{len(slices)} slices on its closing side, {count} suggestions",
    )
    yield Gate(
        name="Only one slice fits",
        passed=judged(NoGoReason.AMBIGUOUS_SLICE, when=has_slice),
        says=", ".join(display.text(each.get("trade_id")) for each in slices[:5]) or "no slice",
    )
    yield Gate(
        name="Its own evidence names the slice",
        passed=judged(NoGoReason.WEAK_ATTRIBUTION, when=bool(owner) and not is_foreign),
        says=f"by {display.text(owner.get('mode') or 'nothing')}; strong attribution required: "
        f"{_on(settings.get('require_strong_attribution'))}",
    )
    yield Gate(
        name="Heuristics are allowed, or not needed",
        passed=judged(NoGoReason.HEURISTIC_DISABLED, when=has_slice),
        says=f"heuristic match allowed: {_on(settings.get('allow_heuristic_match'))}",
    )
    yield Gate(
        name="Not older than the slice",
        passed=judged(NoGoReason.STALE_FILL, when=has_slice),
        says=_age_of(row, question, settings),
    )
    opened = ", ".join(_amount_of(each) for each in slices[:5]) or "nothing"
    yield Gate(
        name="Fits into what is open",
        passed=judged(NoGoReason.QTY_EXCEEDS_OPEN, when=has_slice),
        says=f"fill {display.amount(row.quantity)}, open {opened}",
    )
    yield Gate(
        name="Every fill since the slice opened was read",
        passed=judged(NoGoReason.EVIDENCE_INCOMPLETE, when=has_slice),
        says="coverage of the fills, as the run proved it",
    )


def _age_of(row: BackfillCandidate, question: Question, settings: Mapping[str, Any]) -> str:
    grace = settings.get("fill_after_trade_grace_s")
    known = [taker.trade.opened_at for taker in question.takers]
    if row.trade is not None:
        known = [row.trade.opened_at]
    if not known:
        return "no slice could take it now"
    seconds = (row.fill.executed_at - min(known)).total_seconds()
    side = "after" if seconds >= 0 else "before"
    allowed = f"; at most {grace} s before" if isinstance(grace, int) else ""
    return f"{display.span(abs(seconds))} {side} the slice was opened{allowed}"


def _of_slice(row: ReviewItem, question: Question, conf: Conf) -> Iterator[Gate]:
    evidence, reason = row.evidence, row.reason
    needed = conf.parity_confirmations
    if reason not in (QuarantineReason.OVERCLOSE, QuarantineReason.OPERATOR):
        streak = max(
            (
                each.sighting.streak
                for each in question.mismatches
                if getattr(each, "sighting", None) is not None
            ),
            default=None,
        )
        yield Gate(
            name="Confirmed by heartbeats in a row",
            passed=None if streak is None else streak >= needed,
            says=f"{'unknown' if streak is None else streak} of {needed}",
        )
    if reason in (QuarantineReason.AMBIGUOUS_OWNERS, QuarantineReason.MASS_MISMATCH):
        yield Gate(
            name="Only this slice can be meant",
            passed=False,
            says="several slices differ at once"
            if reason == QuarantineReason.MASS_MISMATCH
            else "several slices share the position",
        )
    if "asked_again" in evidence:
        yield from _of_ghost(row, evidence)
    yield Gate(
        name="The slice is still open",
        passed=trade_state(row.trade).open_quantity > 0,
        says=f"{display.amount(trade_state(row.trade).open_quantity)} open by our books now",
    )


def _of_ghost(row: ReviewItem, evidence: Mapping[str, Any]) -> Iterator[Gate]:
    again = evidence.get("asked_again")
    yield Gate(
        name="Asked for by itself, nothing is held",
        passed={"nothing is held": True, "something is held": False}.get(str(again)),
        says=display.text(again),
    )
    waits = evidence.get("unresolved")
    names = [display.text(each) for each in waits] if isinstance(waits, list) else None
    shown = ", ".join(names[:5]) if names else "none"
    yield Gate(
        name="No execution or order is left undecided",
        passed=None if names is None else not names,
        says=f"{'unknown' if names is None else shown}",
    )
    attributed = evidence.get("attributed")
    yield Gate(
        name="The entry is proven to be this profile's",
        passed=attributed if isinstance(attributed, bool) else None,
        says="by tag or client order id of an entry order or fill",
    )
    coverage = evidence.get("fills_since_it_opened")
    yield Gate(
        name="Every fill since the slice opened was read",
        passed=None if coverage is None else coverage == "PROVEN",
        says=display.text(coverage),
    )
    mark = evidence.get("mark")
    yield Gate(
        name="A mark to exit at is known",
        passed=mark is not None and row.reason != QuarantineReason.NO_MARK,
        says=display.text(mark),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _amount_of(each: Mapping[str, Any]) -> str:
    return f"{display.text(each.get('open_quantity'))} of {display.text(each.get('trade_id'))}"


def _on(value: object) -> str:
    return display.yes_no(value) if isinstance(value, bool) else "not in the evidence"
