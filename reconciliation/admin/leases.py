"""The reconciliation lock of each profile: who holds it, since when and until when."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from reconciliation.admin import columns as col
from reconciliation.admin import display
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.links import link
from reconciliation.admin.page import Facts, Section
from reconciliation.admin.search import by_text, through
from reconciliation.clock import SystemClock
from reconciliation.models import Profile, ProfileLease


def state(lease: ProfileLease) -> str:
    """Return whether a lock can be taken, in words; `held` is the database's own judgement."""
    if getattr(lease, "held", False):
        return "held"
    if lease.expires_at is not None:
        return "available: its last holder did not release it, and its time is over"
    return "available"


@admin.register(ProfileLease)
class ProfileLeaseAdmin(ReadOnlyAdmin[ProfileLease]):
    note = (
        "Read-only: a profile's reconciliation lock is held for milliseconds around a write. A "
        "holder that was killed leaves it to its time."
    )
    empty_text = "No profile is set up yet, so there is no lock to hold."
    list_display = (
        col.Column("Lock", lambda lease: f"lease {lease.pk}"),
        col.whole_link("Profile", "profile"),
        col.Column("State", state),
        col.text("Holder", "holder"),
        col.moment("Since", "acquired_at"),
        col.moment("Until", "expires_at"),
        col.text("Token", "token"),
    )
    list_select_related = ("profile",)
    object_related = ("profile__account",)
    ordering = ("profile__name", "id")
    search_by = (through("profile", Profile, by_text("name")),)
    search_help_text = "The whole name of a profile."

    def rows(self) -> QuerySet[ProfileLease]:
        # Holders measure by the database's time, so the page does too.
        held = ExpressionWrapper(
            Q(expires_at__gt=SystemClock().lock_now()), output_field=BooleanField()
        )
        return super().rows().annotate(held=held)

    def sections(self, obj: ProfileLease) -> Iterable[Section]:
        yield Facts(
            title="Reconciliation lock",
            rows=[
                ("Profile", link(obj.profile)),
                ("Account", link(obj.profile.account)),
                ("State", state(obj)),
                ("Holder", display.text(obj.holder)),
                ("Since", display.moment(obj.acquired_at)),
                ("Until", display.moment(obj.expires_at)),
                ("Fencing token", str(obj.token)),
            ],
        )
