"""Gather what decides on confirmed findings: real fills first, then the facts of each ghost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from reconciliation.conf import Conf
from reconciliation.cycles.holdings import HoldingsRead, ask_again, worth_of
from reconciliation.domain.books import TradeState
from reconciliation.domain.confirmed import (
    GhostFacts,
    LeaveAlone,
    PutBefore,
    Verdict,
    judge_ghost,
    limit_closes,
    reason_of,
)
from reconciliation.domain.entry_evidence import is_attributed, unresolved_orders
from reconciliation.domain.intervals import Interval, covers
from reconciliation.domain.parity import Finding, is_effectively_zero
from reconciliation.domain.parity_books import EntryEvidence, ParityBooks
from reconciliation.domain.plans.parity import closing_fills_of
from reconciliation.domain.types import Instrument
from reconciliation.enums import (
    CoverageStatus,
    InstrumentType,
    ParityKind,
)
from reconciliation.exchange.gateway import Gateway
from reconciliation.models import ExchangeAccount
from reconciliation.selectors.coverage import load_known_intervals, load_proven_intervals
from reconciliation.selectors.parity import load_entry_evidence

_ASKED_AGAIN = {True: "nothing is held", False: "something is held", None: "not known"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What becomes of one slice of a confirmed finding, and what that rests on."""

    trade: TradeState
    finding: Finding
    verdict: Verdict
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Coverage:
    """How completely fills are known, by type of instrument; a type that was not read now is none.

    For each type the intervals whose every fill was read, and those known to be kept no more too.
    """

    as_of: datetime
    intervals: Mapping[InstrumentType, tuple[Sequence[Interval], Sequence[Interval]]]

    @classmethod
    def of(cls, account: ExchangeAccount, read: HoldingsRead) -> "_Coverage":
        """Return the coverage of an account as one heartbeat leaves it."""
        return cls(
            as_of=read.as_of,
            intervals={
                kind: (
                    load_proven_intervals(account.pk, kind),
                    load_known_intervals(account.pk, kind),
                )
                for kind, unread in read.fills.items()
                if unread is None
            },
        )

    def since_opening(
        self, trade: TradeState, instrument: Instrument | None
    ) -> CoverageStatus | None:
        """Return how the fills since a slice opened are known; None where they are not."""
        kind = InstrumentType.SWAP if instrument is None else instrument.type
        proven, known = self.intervals.get(kind, ((), ()))
        window = (min(trade.opened_at, self.as_of), self.as_of)
        if covers(window, proven):
            return CoverageStatus.PROVEN
        return CoverageStatus.UNOBTAINABLE if covers(window, known) else None


def judge_confirmed(
    confirmed: Sequence[Finding],
    *,
    account: ExchangeAccount,
    books: ParityBooks,
    read: HoldingsRead,
    gateway: Gateway,
    instruments: Mapping[str, Instrument],
    conf: Conf,
) -> tuple[Judged, ...]:
    """Return the verdict on each slice of findings that were confirmed often enough."""
    ghosts = [each for each in confirmed if each.kind == ParityKind.GHOST_POSITION]
    others = [each for each in confirmed if each.kind != ParityKind.GHOST_POSITION]
    judged = [
        Judged(
            trade=share.trade,
            finding=finding,
            verdict=PutBefore(reason=reason_of(finding.kind)),
            facts={},
        )
        for finding in others
        for share in finding.shares
    ]
    evidence = load_entry_evidence(
        account, [share.trade for finding in ghosts for share in finding.shares]
    )
    again = {
        finding.holding.key: _is_gone(finding, gateway, instruments, conf) for finding in ghosts
    }
    coverage = _Coverage.of(account, read)
    facts = {
        share.trade.id: (
            share.trade,
            finding,
            _facts(
                share.trade,
                finding,
                evidence[share.trade.id],
                again[finding.holding.key],
                books=books,
                coverage=coverage,
                instruments=instruments,
                conf=conf,
            ),
        )
        for finding in ghosts
        for share in finding.shares
    }
    verdicts = limit_closes(
        {
            trade_id: judge_ghost(each, require_attribution=conf.require_subtag_attribution)
            for trade_id, (_, _, each) in facts.items()
        },
        most=conf.max_auto_closes,
    )
    judged += [
        Judged(
            trade=trade,
            finding=finding,
            verdict=verdicts[trade_id],
            facts=_facts_as_evidence(each),
        )
        for trade_id, (trade, finding, each) in facts.items()
    ]
    return tuple(judged)


def in_words(judged: Judged) -> str:
    """Return what a verdict does, for whoever reads the heartbeat's record."""
    verdict, trade = judged.verdict, judged.trade.trade_id
    if isinstance(verdict, LeaveAlone):
        return f"{trade}: left alone, {verdict.why}"
    if isinstance(verdict, PutBefore):
        return f"{trade}: put before a person, {verdict.reason}"
    return f"{trade}: closed at {verdict.price} without a fill"


def _facts(
    trade: TradeState,
    finding: Finding,
    evidence: EntryEvidence,
    is_gone: bool | None,
    *,
    books: ParityBooks,
    coverage: _Coverage,
    instruments: Mapping[str, Instrument],
    conf: Conf,
) -> GhostFacts:
    fills = closing_fills_of(trade, books.closing_fills)
    orders = unresolved_orders(trade, evidence)
    return GhostFacts(
        is_gone=is_gone,
        unresolved=(
            *(f"fill {kept.fill.fill_id}" for kept in fills),
            *(f"order {order.exchange_order_id or order.client_order_id}" for order in orders),
        ),
        is_attributed=is_attributed(trade, evidence, books.profiles, conf.client_order_id_pattern),
        coverage=coverage.since_opening(trade, instruments.get(trade.symbol)),
        mark=finding.holding.mark,
    )


def _is_gone(
    finding: Finding, gateway: Gateway, instruments: Mapping[str, Instrument], conf: Conf
) -> bool | None:
    """Return whether the position is still effectively nothing when asked for by itself."""
    held = ask_again(gateway, finding.holding.key, instruments, worth=worth_of(finding))
    if held is None:
        return None
    return is_effectively_zero(held, finding.holding, dust_usd=conf.dust_notional_usd)


def _facts_as_evidence(facts: GhostFacts) -> dict[str, object]:
    return {
        "asked_again": _ASKED_AGAIN[facts.is_gone],
        "unresolved": list(facts.unresolved),
        "attributed": facts.is_attributed,
        "fills_since_it_opened": facts.coverage,
        "mark": facts.mark,
    }
