"""What an item of a queue asks, in words: its reasons, both sides, its age, what was proposed."""

from collections.abc import Iterable, Iterator, Mapping

from django.utils.html import format_html

from reconciliation.admin import display
from reconciliation.admin.deciding_types import load_conf, now
from reconciliation.admin.gates import gates_table
from reconciliation.admin.links import link, link_to
from reconciliation.admin.page import Facts, Lines, Notice, Section, Table
from reconciliation.admin.reasons import MODES, NO_GO, PRESS_REFRESH, QUARANTINE, STATUSES, in_words
from reconciliation.admin.runbook_links import what_to_do
from reconciliation.admin.sides import compare_sides
from reconciliation.domain.amounts import plain
from reconciliation.domain.keys import iso_utc
from reconciliation.enums import Direction, NoGoReason, QuarantineReason, RunKind
from reconciliation.models import BackfillCandidate, Decision, ReviewItem, Run, Trade
from reconciliation.selectors.decisions import Subject
from reconciliation.selectors.reviews import Question, load_question
from reconciliation.selectors.states import trade_state

_JOBS = {RunKind.RECONCILE: "reconciliation run", RunKind.HEARTBEAT: "heartbeat"}


def question_sections(row: ReviewItem | BackfillCandidate) -> Iterator[Section]:
    """Return what a person has to know before he decides on an item, what matters first."""
    question = load_question(Subject(row=row), conf=load_conf(), now=now())
    if question.subject.is_waiting:
        yield from _state_of(question)
    else:
        yield Notice(
            level="success", sentence=f"It waits no more: {in_words(STATUSES, row.status)}."
        )
    yield Lines(title="What it is", lines=[_what(row)])
    yield Lines(title="Why a person is asked", lines=_reasons(row))
    yield from _sides(question)
    yield gates_table(question, conf=load_conf(), now=now())
    if question.subject.is_waiting:
        yield _age(question)
    if isinstance(row, BackfillCandidate):
        yield _suggestions(row)
        yield _takers(question)


def _state_of(question: Question) -> Iterator[Section]:
    proposal = question.proposal
    if proposal is not None:
        yield Notice(
            level="warning",
            sentence=(
                f"{display.text(proposal.maker_name)} has proposed to approve it; somebody else "
                "has to carry it out."
            ),
        )
        yield Facts(title="The proposal that waits", rows=_proposal(proposal))
    if question.age.is_stale:
        after = (
            "It could not be read since. It can be approved all the same, as an override: you"
            " propose it by Approve, and somebody else who may approve carries it out."
            if question.age.is_unreadable
            else f"{PRESS_REFRESH}, then approve; rejecting needs no fresh one."
        )
        yield Notice(level="warning", sentence=f"The evidence is too old to approve on. {after}")


def _proposal(proposal: Decision) -> list[tuple[str, str]]:
    terms = proposal.terms
    shares = terms.get("to") or {}
    return [
        ("Proposed by", display.text(proposal.maker_name)),
        ("Proposed", display.moment(proposal.decided_at)),
        ("Reason", display.text(proposal.reason)),
        ("Comment", display.text(proposal.comment)),
        ("Quantity", display.text(terms.get("quantity"))),
        ("Price", display.text(terms.get("price"))),
        ("Shares", display.pairs(shares) if isinstance(shares, Mapping) else display.NOTHING),
        ("Worth (USD)", display.amount(proposal.notional_usd)),
        ("Decision", link(proposal)),
    ]


def _what(row: ReviewItem | BackfillCandidate) -> str:
    """Return in a sentence what the question is about."""
    where = display.text(row.account.name)
    if isinstance(row, ReviewItem):
        trade = row.trade
        held = display.amount(trade_state(trade).open_quantity)
        asked = "all of it" if row.quantity is None else display.amount(row.quantity)
        return display.text(
            f"Slice {trade.trade_id} of profile {row.profile.name} on {where}: {trade.direction}"
            f" {trade.symbol}, {held} open by our books. In question: {asked}."
        )
    fill = row.fill
    whose = "The exchange itself caused it" if row.exchange_initiated else "No known order has it"
    return display.text(
        f"A {fill.side} of {display.amount(row.quantity)} {fill.symbol} at"
        f" {display.amount(fill.price)} on {where}. {whose}."
    )


def _reasons(row: ReviewItem | BackfillCandidate) -> list[str]:
    if isinstance(row, ReviewItem):
        return [_reason(in_words(QUARANTINE, row.reason), QuarantineReason, row.reason)]
    return [_reason(in_words(NO_GO, str(code)), NoGoReason, str(code)) for code in row.reasons] or [
        f"{display.text(row.verdict)}: booked by itself."
    ]


def _reason(said: str, kind: type[QuarantineReason] | type[NoGoReason], code: str) -> str:
    """Return a reason with the link to its section; a code that is none has no section."""
    words = display.text(said)
    return format_html("{} {}", words, what_to_do(kind(code))) if code in kind.values else words


def _age(question: Question) -> Facts:
    limit = load_conf().review_evidence_max_age
    minutes = int((now() - question.age.seen_at).total_seconds() // 60)
    old = "no: read it anew first" if question.age.is_stale else "yes"
    return Facts(
        title="How old the evidence is",
        rows=[
            ("Last seen by a complete run", display.moment(question.age.seen_at)),
            ("That is", f"{max(minutes, 0)} min ago"),
            ("Fresh enough to approve", old),
            ("It may be", f"{int(limit.total_seconds() // 60)} min old"),
            ("The job that sees it", _JOBS[question.job]),
            ("Waits since", display.moment(question.subject.row.opened_at)),
            ("Last mark", display.amount(question.mark)),
        ],
    )


def _suggestions(row: BackfillCandidate) -> Table:
    found = row.evidence.get("suggestions")
    found = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return Table(
        title="What it could belong to",
        headings=["Slice", "Because"],
        rows=[
            [display.text(each.get("trade")), MODES.get(str(each.get("mode")), "–")]
            for each in found
        ],
        empty="The evidence suggests no slice.",
        note="Suggestions only: by quantity or because no other slice is open, they seem to fit."
        " Nothing in the fill names the slice, so another one may be meant, or none.",
    )


def _takers(question: Question) -> Table:
    return Table(
        title="Slices that could take it",
        headings=["Slice", "Profile", "Status", "Open", "Suggested"],
        rows=[
            [
                link_to(Trade, taker.trade.id, display.text(taker.trade.trade_id)),
                display.text(taker.profile),
                str(taker.trade.status),
                display.amount(taker.trade.open_quantity),
                "yes" if taker.is_suggested else "no",
            ]
            for taker in question.takers
        ],
        empty="No slice could take this fill now.",
    )


def _sides(question: Question) -> Iterable[Section]:
    """Return the database beside the exchange, and since when and from where each side is known."""
    row = question.subject.row
    if isinstance(row, BackfillCandidate):
        yield from _fill_beside_slice(row)
        yield _sources(question, "as it is held now")
        return
    evidence = question.evidence
    database, exchange = evidence.get("database"), evidence.get("exchange")
    if isinstance(database, Mapping) and isinstance(exchange, Mapping):
        yield from compare_sides(database, exchange, row.account)
        yield _sources(question, "as the run compared it")
        return
    yield _sources(question, "as it is held now")


def _fill_beside_slice(row: BackfillCandidate) -> Iterable[Section]:
    """Return the fill beside the slice that it could have closed, by the words of both."""
    exchange: dict[str, object] = {
        "symbol": row.fill.symbol,
        "side": row.fill.side,
        "quantity": plain(row.quantity),
        "price": plain(row.fill.price),
        "sub_tag": row.fill.sub_tag,
        "client_order_id": row.fill.client_order_id,
        "trade_id": row.fill.trade_hint,
        "executed_at": iso_utc(row.fill.executed_at),
    }
    if row.trade is None:
        named = row.evidence.get("slices")
        database = {"slices": named} if isinstance(named, list) else {}
        yield from compare_sides(database, exchange, row.account)
        return
    trade = row.trade
    state = trade_state(trade)
    entry = trade.average_entry_price
    yield from compare_sides(
        {
            "symbol": trade.symbol,
            "side": "sell" if trade.direction == Direction.LONG else "buy",
            "quantity": plain(state.open_quantity),
            "average_entry_price": None if entry is None else plain(entry),
            "sub_tag": trade.sub_tag,
            "trade_id": trade.trade_id,
            "opened_at": iso_utc(trade.opened_at),
        },
        exchange,
        row.account,
    )


def _sources(question: Question, of_database: str) -> Table:
    """Return where each side comes from, as of when, and how old that is."""
    row, age, moment = question.subject.row, question.age, now()
    seen_by = (
        "when it was put here"
        if age.run_id is None
        else link_to(Run, age.run_id, f"run {age.run_id}")
    )
    job = _JOBS[question.job]
    is_now = of_database == "as it is held now"
    read = moment if is_now else age.seen_at
    return Table(
        title="Where both sides come from",
        headings=["Side", "Source", "As of"],
        rows=[
            ["Database", f"the portal's books, {of_database}", display.age(read, moment)],
            [
                "Exchange",
                format_html("{} of {}: {}", job, display.text(row.account.name), seen_by),
                display.age(age.seen_at, moment),
            ],
        ],
    )
