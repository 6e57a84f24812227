"""What people decided: never changed, never deleted; a reversal is a row of its own."""

from django.db import models
from django.db.models import F, Q

from reconciliation.enums import DecisionKind, DecisionReason, Right
from reconciliation.models.accounts import ExchangeAccount, Profile
from reconciliation.models.backfill import BackfillCandidate
from reconciliation.models.fields import ExactDecimalField
from reconciliation.models.fills import Fill
from reconciliation.models.mismatches import Mismatch
from reconciliation.models.orders import ExternalOrder
from reconciliation.models.reviews import ReviewItem

SUBJECTS = ("review", "candidate", "external_order", "fill", "mismatch")


def _one_subject() -> Q:
    """Return the condition that a decision is about exactly one thing."""
    condition = Q()
    for named in SUBJECTS:
        condition |= Q(**{f"{each}__isnull": each != named for each in SUBJECTS})
    return condition


class Decision(models.Model):
    """One act of a person on one question.

    `maker` proposed or decided, `checker` approved what another had proposed; their names are
    kept beside the ids, as they were then. `terms` are what was asked for and what was written:
    quantities, price, slices. `notional_usd` is what it was worth at that moment; None: unknown.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="decisions")
    profile = models.ForeignKey(
        Profile, on_delete=models.PROTECT, related_name="decisions", null=True, blank=True
    )
    kind = models.CharField(max_length=12, choices=DecisionKind)
    review = models.ForeignKey(
        ReviewItem, on_delete=models.PROTECT, related_name="decisions", null=True, blank=True
    )
    candidate = models.ForeignKey(
        BackfillCandidate, on_delete=models.PROTECT, related_name="decisions", null=True, blank=True
    )
    external_order = models.ForeignKey(
        ExternalOrder, on_delete=models.PROTECT, related_name="decisions", null=True, blank=True
    )
    fill = models.ForeignKey(
        Fill, on_delete=models.PROTECT, related_name="decisions", null=True, blank=True
    )
    mismatch = models.ForeignKey(
        Mismatch, on_delete=models.PROTECT, related_name="decisions", null=True, blank=True
    )
    maker_id = models.CharField(max_length=64)
    maker_name = models.CharField(max_length=150)
    checker_id = models.CharField(max_length=64, blank=True)
    checker_name = models.CharField(max_length=150, blank=True)
    four_eyes = models.BooleanField(default=False)
    override = models.BooleanField(
        default=False, help_text="Decided on evidence that could not be refreshed."
    )
    reason = models.CharField(max_length=20, choices=DecisionReason)
    comment = models.TextField(blank=True)
    terms = models.JSONField(default=dict)
    notional_usd = ExactDecimalField(null=True, blank=True)
    evidence_hash = models.CharField(max_length=64, blank=True)
    item_version = models.PositiveIntegerField()
    proposal = models.ForeignKey(
        "self", on_delete=models.PROTECT, related_name="answers", null=True, blank=True
    )
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, related_name="reversed_by", null=True, blank=True
    )
    decided_at = models.DateTimeField()

    class Meta:
        permissions = tuple(Right.choices)
        constraints = [
            models.CheckConstraint(
                name="decision_kind_known", condition=Q(kind__in=DecisionKind.values)
            ),
            models.CheckConstraint(
                name="decision_reason_known", condition=Q(reason__in=DecisionReason.values)
            ),
            models.CheckConstraint(
                name="decision_other_is_explained",
                condition=~Q(reason=DecisionReason.OTHER) | ~Q(comment=""),
            ),
            models.CheckConstraint(name="decision_has_one_subject", condition=_one_subject()),
            models.CheckConstraint(
                name="decision_four_eyes_are_two_people",
                condition=Q(four_eyes=False) | (~Q(checker_id="") & ~Q(checker_id=F("maker_id"))),
            ),
            models.CheckConstraint(
                name="decision_reversal_names_what_it_reverses",
                condition=Q(kind=DecisionKind.REVERSED, reverses__isnull=False)
                | (~Q(kind=DecisionKind.REVERSED) & Q(reverses__isnull=True)),
            ),
        ]
        indexes = [models.Index(fields=["-decided_at", "-id"], name="decision_newest_first")]
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} by {self.maker_name}"
