"""The two review queues, as their pages decide on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import QuerySet

from reconciliation.admin import display
from reconciliation.admin.deciding_forms import AmountField
from reconciliation.admin.deciding_preview import preview_of, second_person
from reconciliation.admin.deciding_terms import (
    NO_RIGHT,
    RIGHTS,
    age_of,
    approval_offer,
    exit_fields,
    open_of,
    trade_of,
    words_of,
)
from reconciliation.admin.deciding_types import (
    Desk,
    Offer,
    Preview,
    Terms,
    Told,
    Viewer,
    load_conf,
    now,
)
from reconciliation.admin.links import link
from reconciliation.admin.page import Facts, Section
from reconciliation.admin.reasons import QUARANTINE, in_words
from reconciliation.admin.refreshing import refresh
from reconciliation.domain.plans.decisions import Ask, DecisionPlan, plan_release
from reconciliation.enums import (
    PARITY_MISMATCH_KINDS,
    DecisionRefusal,
    ReviewStatus,
    Right,
    RunKind,
)
from reconciliation.handlers import decisions
from reconciliation.handlers.decision_flows import plan_reopening, proposed_ask
from reconciliation.models import BackfillCandidate, Decision, Mismatch, ReviewItem, Trade
from reconciliation.selectors.decisions import (
    EvidenceAge,
    Subject,
    load_candidate,
    load_mark,
    load_proposal,
    load_review,
    plan_rejection_of_fill,
    plan_rejection_of_overclose,
)
from reconciliation.selectors.reviews import load_question, preview_approval, row_worth
from reconciliation.selectors.states import trade_state


@dataclass(slots=True)
class QueueCase:
    """An item of the quarantine or of the backfill queue."""

    subject: Subject

    @property
    def row(self) -> Any:
        return self.subject.row

    @property
    def version(self) -> int:
        return self.subject.version

    @property
    def is_waiting(self) -> bool:
        return self.subject.is_waiting

    @property
    def is_candidate(self) -> bool:
        return isinstance(self.row, BackfillCandidate)

    @property
    def tells_age(self) -> bool:
        return True

    @property
    def job(self) -> RunKind:
        return self.subject.job

    def age(self) -> EvidenceAge:
        return age_of(self.subject)

    def rights(self, verb: str) -> tuple[Right, ...]:
        allocates = self.is_candidate or self.subject.is_overclose
        return () if verb == "allocate" and not allocates else RIGHTS.get(verb, ())

    def offers(self, viewer: Viewer) -> list[Offer]:
        offers = []

        def add(verb: str, label: str) -> None:
            why = "" if viewer.may(*self.rights(verb)) else NO_RIGHT
            offers.append(Offer(verb=verb, label=label, why_not=why))

        if self.is_waiting:
            proposal = load_proposal(self.subject)
            offers.append(approval_offer(viewer, "approve", proposal, ""))
            if proposal is None and self.rights("allocate"):
                words = "Split over several slices" if self.is_candidate else "Book to other slices"
                offers.append(approval_offer(viewer, "allocate", None, words))
            add("reject", "Reject")
            add("refresh", "Read the evidence anew")
        elif self.row.status == ReviewStatus.REJECTED:
            add("reopen", "Ask again (reopen)")
        return offers

    def fields(self, verb: str) -> dict[str, forms.Field]:
        if verb != "approve" or load_proposal(self.subject) is not None:
            return {}
        if self.subject.is_overclose:
            return {}
        if not self.is_candidate:
            return exit_fields()
        takers = self._takers()
        first = next((taker.trade.id for taker in takers if taker.is_suggested), None)
        choices = [("", "choose a slice")]
        for taker in takers:
            mark = " (suggested)" if taker.is_suggested else ""
            choices.append((str(taker.trade.id), f"{_words_of(taker)}{mark}"))
        return {
            "trade": forms.ChoiceField(
                label="Slice that the fill closed",
                choices=choices,
                required=False,
                initial="" if first is None else str(first),
            ),
            "quantity": AmountField(
                label="Quantity", help_text="Empty: all that the slice can take of the fill."
            ),
        }

    def takers(self, verb: str) -> list[tuple[int, str]]:
        if verb != "allocate":
            return []
        if self.is_candidate:
            return [(taker.trade.id, _words_of(taker)) for taker in self._takers()]
        rows = Trade.objects.filter(
            profile_id=self.row.profile_id,
            symbol=self.row.trade.symbol,
            direction=self.row.trade.direction,
            status__in=["OPEN", "QUARANTINED"],
        ).order_by("pk")
        return [
            (row.pk, f"{display.text(row.trade_id)}, {display.amount(open_of(row))} open")
            for row in rows
        ]

    def _takers(self) -> Sequence[Any]:
        return load_question(self.subject, conf=load_conf(), now=now()).takers

    def facts(self) -> list[Section]:
        row = self.row
        if self.is_candidate:
            about = [("Fill", link(row.fill)), ("Symbol", display.text(row.fill.symbol))]
            about += [("Side", display.text(row.fill.side))]
            about += [("Price", display.amount(row.fill.price))]
        else:
            about = [("Trade", link(row.trade)), ("Symbol", display.text(row.trade.symbol))]
            about += [("Why", display.text(in_words(QUARANTINE, row.reason)))]
            about += [("Open", display.amount(open_of(row.trade)))]
        proposal = load_proposal(self.subject)
        if proposal is not None:
            who = display.text(f"{proposal.maker_name}: {proposal.reason} {proposal.comment}")
            about += [("Proposed by", who)]
        return [
            Facts(
                title="What it is about",
                rows=[
                    *about,
                    ("In question", display.amount(row.quantity)),
                    ("Profile", link(row.profile)),
                    ("Account", link(row.account)),
                    ("Evidence last seen", display.moment(age_of(self.subject).seen_at)),
                ],
            )
        ]

    def preview(self, verb: str, terms: Terms, viewer: Viewer) -> Preview:
        if verb == "refresh":
            return Preview(
                sentences=(
                    f"A worker does the {self.job} of {self.row.account.name} now: it reads the"
                    " exchange anew. What it finds may change this item, or answer it.",
                )
            )
        if verb == "reject":
            return self._rejection()
        if verb == "reopen":
            plan = plan_reopening(self.subject)
            again = [(each, "OPEN again") for each in self._mismatches("ACCEPTED")]
            return preview_of(plan, mismatches=again, then="it waits for a decision again")
        age = age_of(self.subject)
        if age.is_stale and not age.is_unreadable:
            return Preview(
                code=DecisionRefusal.STALE_EVIDENCE,
                sentence="the evidence is too old to approve on; read it anew first",
            )
        plan = preview_approval(self.subject, self._ask(verb, terms), now=now())
        second = ""
        fates: list[tuple[Mismatch, str]] = []
        if isinstance(plan, DecisionPlan):
            second = second_person(viewer, load_conf(), plan.notional, stale=age.is_stale)
            if plan.covers and not self.subject.is_overclose:
                fates = [(each, "RESOLVED") for each in self._mismatches("OPEN")]
        proposal = load_proposal(self.subject)
        if proposal is not None:
            second = ""
        return preview_of(
            plan,
            mismatches=fates,
            then="the item is APPROVED then",
            second=second,
            answered=self._overclosed(),
        )

    def _rejection(self) -> Preview:
        row = self.row
        if isinstance(row, BackfillCandidate):
            plan = plan_rejection_of_fill(row)
        elif self.subject.is_overclose:
            plan = plan_rejection_of_overclose(row)
        else:
            plan = plan_release(trade_state(row.trade))
        fates = [] if self.subject.is_overclose else self._mismatches("OPEN")
        preview = preview_of(
            plan,
            mismatches=[(each, "ACCEPTED") for each in fates],
            then="the item is REJECTED then: the same evidence does not bring it back",
            answered=self._overclosed(),
        )
        return replace(preview, notional=self._worth())

    def _overclosed(self) -> frozenset[str]:
        return frozenset({self.row.trade.symbol} if self.subject.is_overclose else ())

    def _worth(self) -> Decimal | None:
        """Return what is in question in USD, None where that is unknown."""
        row = self.row
        symbol = row.fill.symbol if self.is_candidate else row.trade.symbol
        return row_worth(row, load_mark(row.account_id, symbol))

    def _ask(self, verb: str, terms: Terms) -> Ask:
        proposal = load_proposal(self.subject)
        if proposal is not None:
            return proposed_ask(proposal)
        return Ask(
            quantity=terms.values.get("quantity"),
            price=terms.values.get("price"),
            trade_id=trade_of(terms),
            shares=dict(terms.shares) if verb == "allocate" else None,
        )

    def _mismatches(self, status: str) -> list[Mismatch]:
        if self.is_candidate:
            return []
        rows = Mismatch.objects.filter(
            account_id=self.row.account_id,
            trade_id=self.row.trade_id,
            kind__in=sorted(PARITY_MISMATCH_KINDS),
            status=status,
        )
        return list(rows.order_by("pk"))

    def decide(self, verb: str, terms: Terms, desk: Desk) -> Told:
        if verb == "refresh":
            return refresh(self.row.account, self.job, desk)
        given: dict[str, Any] = {
            "candidate_id" if self.is_candidate else "item_id": self.row.pk,
            "version": terms.version,
            **words_of(terms, desk),
        }
        if verb == "allocate":
            given["shares"] = terms.shares
        elif verb == "approve" and self.is_candidate:
            given |= {"trade_id": trade_of(terms), "quantity": terms.values.get("quantity")}
        elif verb == "approve":
            given |= {each: terms.values.get(each) for each in ("quantity", "price")}
        handler = getattr(decisions, f"{verb}_{'candidate' if self.is_candidate else 'review'}")
        result = handler(**given)
        return Told(sentence=result.sentence, code=result.code)

    def decisions(self) -> QuerySet[Decision]:
        return Decision.objects.filter(**{self.subject.field: self.row})

    def waiting(self) -> QuerySet[Any]:
        found: QuerySet[Any] = type(self.row).objects.waiting()
        return found


def load_queue_case(model: type[Any], pk: int) -> QueueCase | None:
    """Return an item of one of the two queues."""
    subject = load_review(pk) if model is ReviewItem else load_candidate(pk)
    return None if subject is None else QueueCase(subject)


def _words_of(taker: Any) -> str:
    trade = taker.trade
    return display.text(
        f"{trade.trade_id} of {taker.profile}, {display.amount(trade.open_quantity)} open"
    )
