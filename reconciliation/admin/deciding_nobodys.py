"""What belongs to nobody, as its pages decide on it: adopted into a profile, or ignored."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet

from reconciliation.admin import display
from reconciliation.admin.deciding_preview import second_person, tables_of
from reconciliation.admin.deciding_terms import NO_RIGHT, words_of
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
from reconciliation.admin.page import Facts, Lines, Section
from reconciliation.admin.reasons import PRESS_REFRESH
from reconciliation.admin.refreshing import refresh
from reconciliation.domain.plans.nobodys import Refusal
from reconciliation.enums import (
    DecisionKind,
    DecisionRefusal,
    ExternalStatus,
    MismatchKind,
    MismatchStatus,
    Nobodys,
    Right,
    RunKind,
)
from reconciliation.handlers.decision_records import Refused
from reconciliation.handlers.nobodys import adopt, age_of_item, ignore
from reconciliation.handlers.nobodys_items import Item, NobodysItem, load_item
from reconciliation.handlers.nobodys_preview import preview_adoption
from reconciliation.models import Decision, ExternalOrder, Fill, Mismatch, Profile
from reconciliation.selectors.consequences import Effect
from reconciliation.selectors.decisions import EvidenceAge

RIGHTS = {
    "adopt": (Right.PROPOSE, Right.APPROVE),
    "ignore": (Right.REJECT,),
    "refresh": (Right.REFRESH,),
}
_FILL_KEY = "fill:"


@dataclass(slots=True)
class NobodysCase:
    """An external order, a fill that nothing explains, or a position beyond all slices.

    `row` is what the page shows, the mismatch of a fill too; `item` is what is decided on.
    """

    row: ExternalOrder | Mismatch
    kind: NobodysItem
    item: Item

    @property
    def version(self) -> int:
        return self.item.version

    @property
    def is_waiting(self) -> bool:
        return not self.item.decided and not self.item.is_of_known_order

    @property
    def tells_age(self) -> bool:
        return False

    @property
    def job(self) -> RunKind:
        is_position = self.kind.kind == Nobodys.ORPHAN
        return RunKind.HEARTBEAT if is_position else RunKind.RECONCILE

    def age(self) -> EvidenceAge:
        return age_of_item(self.kind, self.item, conf=load_conf(), now=now())

    def rights(self, verb: str) -> tuple[Right, ...]:
        return RIGHTS.get(verb, ())

    def proposal(self) -> Decision | None:
        rows = self.decisions().filter(kind=DecisionKind.PROPOSED, answers=None)
        return rows.order_by("-pk").first() if self.is_waiting else None

    def offers(self, viewer: Viewer) -> list[Offer]:
        if not self.is_waiting:
            return []
        last = self.proposal()
        label, why = "Adopt into a profile", ""
        if last is not None:
            label = f"Adopt as {display.text(last.maker_name)} proposed"
        if last is not None and last.maker_id == viewer.id:
            why = "you proposed it yourself; somebody else has to carry it out"
        elif not viewer.may(*((Right.APPROVE,) if last is not None else RIGHTS["adopt"])):
            why = NO_RIGHT
        ignoring = "" if viewer.may(Right.REJECT) else NO_RIGHT
        if self.item.waits_in_backfill:
            ignoring = "it waits among the missed exits: reject it there"
        return [
            Offer(verb="adopt", label=label, why_not=why),
            Offer(verb="ignore", label="Ignore: not ours", why_not=ignoring),
            Offer(
                verb="refresh",
                label="Read the evidence anew",
                why_not="" if viewer.may(Right.REFRESH) else NO_RIGHT,
            ),
        ]

    def fields(self, verb: str) -> dict[str, forms.Field]:
        if verb != "adopt":
            return {}
        rows = Profile.objects.filter(account_id=self.item.account_id, enabled=True)
        names = list(rows.order_by("name").values_list("name", flat=True))
        last = self.proposal()
        given = {} if last is None else last.terms
        needs = "" if isinstance(self.row, ExternalOrder) else " (required)"
        return {
            "profile": forms.ChoiceField(
                label="Profile",
                choices=[("", "choose a profile"), *((name, name) for name in names)],
                required=False,
                initial=given.get("profile") or (names[0] if len(names) == 1 else ""),
            ),
            "trade": forms.CharField(
                label=f"Trade id{needs}",
                required=False,
                max_length=64,
                initial=given.get("trade", ""),
                help_text="An id that is not known opens a new slice; an exit needs a known one.",
            ),
        }

    def takers(self, verb: str) -> list[tuple[int, str]]:
        return []

    def facts(self) -> list[Section]:
        rows = [
            ("What", _WHAT[self.kind.kind]),
            ("Named", link(self.item.row)),
            ("Symbol", display.text(getattr(self.item.row, "symbol", ""))),
            ("Side", display.text(_side(self.item))),
            ("Quantity", display.amount(self.item.quantity)),
            ("Worth (USD)", display.amount(self.item.notional_usd)),
            ("Account", link(self.row.account)),
        ]
        return [Facts(title="What it is about", rows=rows)]

    def preview(self, verb: str, terms: Terms, viewer: Viewer) -> Preview:
        worth = self.item.notional_usd
        if verb == "refresh":
            asked = f"A worker does the {self.job} of {self.row.account.name} now: it reads anew."
            return Preview(sentences=(asked,))
        if verb == "ignore":
            told = [
                "It is marked as not ours; no books are written.",
                *_fate(self.item, "ACCEPTED"),
            ]
            if self.item.waits_in_backfill:
                return Preview(
                    code=DecisionRefusal.UNKNOWN_ITEM,
                    sentence="it waits in the backfill queue: reject it there",
                )
            section = Lines(title="What will happen", lines=told)
            return Preview(sections=(section,), notional=worth, sentences=told)
        age = self.age()
        if age.is_stale and not age.is_unreadable:
            return Preview(
                code=DecisionRefusal.STALE_EVIDENCE,
                sentence=f"the evidence is too old to adopt on; {PRESS_REFRESH}",
            )
        change = preview_adoption(
            self.item,
            profile=terms.values.get("profile", ""),
            trade=terms.values.get("trade", ""),
            conf=load_conf(),
        )
        if isinstance(change, Refusal):
            return Preview(code=change.code, sentence=change.sentence)
        told = ["It becomes a part of the books of the profile.", *_fate(self.item, "RESOLVED")]
        last = self.proposal()
        second = second_person(viewer, load_conf(), worth, stale=age.is_stale)
        if last is not None or not (_at_limit(second) or age.is_stale):
            second = ""
        tables: list[Section] = list(tables_of([change]))
        return Preview(
            sections=(Lines(title="What will happen", lines=told), *tables),
            effect=Effect(
                changes=(change,), ended=(self.item.mismatch,) if self.item.mismatch else ()
            ),
            notional=worth,
            sentences=told,
            second=second,
        )

    def decide(self, verb: str, terms: Terms, desk: Desk) -> Told:
        if verb == "refresh":
            return refresh(self.row.account, self.job, desk)
        given: dict[str, Any] = {
            "item": self.kind,
            "expected": terms.version,
            **words_of(terms, desk),
        }
        if verb == "ignore":
            outcome = ignore(**given)
        else:
            outcome = adopt(
                profile=terms.values.get("profile", ""),
                trade=terms.values.get("trade", ""),
                **given,
            )
        done = {
            DecisionKind.PROPOSED: "proposed; a second person has to carry it out",
            DecisionKind.ADOPTED: "adopted",
            DecisionKind.IGNORED: "ignored: it is not ours",
        }
        sentence = outcome.sentence or done.get(outcome.kind, str(outcome.kind))  # type: ignore[arg-type]
        return Told(sentence=sentence, code=outcome.refusal)

    def decisions(self) -> QuerySet[Decision]:
        return Decision.objects.filter(**self.item.subject_ids)

    def waiting(self) -> QuerySet[Any]:
        if isinstance(self.row, ExternalOrder):
            return ExternalOrder.objects.filter(status=ExternalStatus.PENDING)
        return Mismatch.objects.filter(status=MismatchStatus.OPEN, kind=self.row.kind)


_WHAT = {
    Nobodys.EXTERNAL_ORDER: "an open order at the exchange that no profile is known to own",
    Nobodys.FILL: "an execution that no order and no slice explains",
    Nobodys.ORPHAN: "a position at the exchange beyond all that our slices hold",
}


def load_external_case(pk: int) -> NobodysCase | None:
    """Return an external order, None where there is none."""
    row = ExternalOrder.objects.select_related("account").filter(pk=pk).first()
    kind = NobodysItem(kind=Nobodys.EXTERNAL_ORDER, id=pk)
    return None if row is None else NobodysCase(row, kind, load_item(kind, lock=False))


def load_mismatch_case(row: Mismatch) -> NobodysCase | None:
    """Return what an orphan's mismatch, or that of a fill of nobody, is about."""
    if row.kind == MismatchKind.ORPHAN_POSITION:
        kind = NobodysItem(kind=Nobodys.ORPHAN, id=row.pk)
    elif row.kind == MismatchKind.UNATTRIBUTED_FILL and row.key.startswith(_FILL_KEY):
        number = row.key.removeprefix(_FILL_KEY)
        known = number.isdigit() and Fill.objects.filter(pk=int(number)).exists()
        if not known:
            return None
        kind = NobodysItem(kind=Nobodys.FILL, id=int(number))
    else:
        return None
    try:
        return NobodysCase(row, kind, load_item(kind, lock=False))
    except Refused:
        # An orphan that names neither quantity nor side is looked at, never decided on.
        return None


def _side(item: Item) -> str:
    if item.orphan is not None:
        return str(item.orphan.direction)
    return str(getattr(item.row, "side", ""))


def _fate(item: Item, status: str) -> list[str]:
    if item.mismatch is None:
        return []
    return [f"Mismatch {item.mismatch.pk} ({item.mismatch.kind}) becomes {status}."]


def _at_limit(second: str) -> bool:
    """Return whether it is the worth that asks for two: only that does here."""
    return "worth" in second
