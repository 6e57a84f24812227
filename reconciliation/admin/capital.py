"""Each profile's capital: the balance, and the ledger whose rows sum to it."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Facts, Notice, Section, Table
from reconciliation.admin.reads import ROWS_ADDED_UP, free_capital, ledger_sums
from reconciliation.admin.search import by_number, by_text, through
from reconciliation.models import CapitalBalance, CapitalEntry, Profile, Run


@admin.register(CapitalBalance)
class CapitalBalanceAdmin(ReadOnlyAdmin[CapitalBalance]):
    note = (
        "Read-only: what each profile has, in USD. Free = allocated − reserved by open entry "
        "orders − used by open slices; it may be negative. Each change is a row of the ledger."
    )
    empty_text = "No cycle has reckoned a profile's capital yet."
    list_display = (
        col.Column("Capital", lambda row: f"capital {row.pk}"),
        col.whole_link("Profile", "profile"),
        col.amount("Allocated (USD)", "allocated_usd"),
        col.amount("Reserved (USD)", "reserved_usd"),
        col.amount("Used (USD)", "used_usd"),
        col.computed_amount("Free (USD)", free_capital),
        col.text("Orders without a price", "unpriced"),
        col.moment("Updated", "updated_at"),
    )
    list_select_related = ("profile",)
    object_related = ("profile__account",)
    ordering = ("profile__name", "pk")
    search_by = (through("profile", Profile, by_text("name")),)
    search_help_text = "The whole name of a profile."

    def sections(self, obj: CapitalBalance) -> Iterable[Section]:
        yield Facts(
            title="Capital",
            rows=[
                ("Profile", link(obj.profile)),
                ("Account", link(obj.profile.account)),
                ("Allocated (USD)", display.amount(obj.allocated_usd)),
                ("Reserved by open entry orders (USD)", display.amount(obj.reserved_usd)),
                ("Used by open slices (USD)", display.amount(obj.used_usd)),
                ("Free (USD)", display.amount(free_capital(obj))),
                ("Open entry orders without a price, in no sum", str(obj.unpriced)),
                ("Updated", display.moment(obj.updated_at)),
            ],
        )
        yield from _ledger_against(obj)
        yield supervision_tables.capital_entries(
            CapitalEntry.objects.filter(profile=obj.profile),
            title="Latest rows of the ledger",
            lookups={"profile__id__exact": obj.profile_id},
            empty="The ledger of this profile has no row.",
        )
        yield tables.audit_events_of(obj.profile, title="Audit events of its profile")


def _ledger_against(balance: CapitalBalance) -> Iterable[Section]:
    """Add the whole ledger up and say whether it is the balance."""
    sums = ledger_sums(balance.profile)
    if sums is None:
        yield Notice(
            level="warning",
            sentence=f"The ledger has more than {ROWS_ADDED_UP:,} rows: it is not added up here.",
        )
        return
    held = (balance.allocated_usd, balance.reserved_usd, balance.used_usd)
    if sums == held:
        yield Notice(level="success", sentence="The rows of the ledger sum to this balance.")
    else:
        yield Notice(level="error", sentence="The rows of the ledger do not sum to this balance.")
    yield Table(
        title="Ledger against balance",
        headings=["", "Sum of the ledger", "Balance"],
        rows=[
            [what, display.amount(summed), display.amount(kept)]
            for what, summed, kept in zip(
                ("Allocated (USD)", "Reserved (USD)", "Used (USD)"), sums, held, strict=True
            )
        ],
    )


@admin.register(CapitalEntry)
class CapitalEntryAdmin(ReadOnlyAdmin[CapitalEntry]):
    note = (
        "Read-only and append-only: each row is one change of a profile's balance, signed, with "
        "its cause. A row is never changed."
    )
    empty_text = "No profile's capital has changed yet."
    list_display = (
        col.Column("Entry", lambda row: str(row.pk)),
        col.whole_link("Profile", "profile"),
        col.text("Cause", "cause"),
        col.signed("Allocated (USD)", "allocated_usd"),
        col.signed("Reserved (USD)", "reserved_usd"),
        col.signed("Used (USD)", "used_usd"),
        col.link("Run", "run"),
        col.moment("Recorded", "recorded_at"),
    )
    list_filter = (("cause", WordFilter), "profile")
    list_select_related = ("profile", "run")
    narrowed_by = {"run__id__exact": Run}
    object_related = ("profile__account", "profile__capital", "run")
    search_by = (by_number(),)
    search_help_text = "The number of an entry."

    def sections(self, obj: CapitalEntry) -> Iterable[Section]:
        balance: CapitalBalance | None = getattr(obj.profile, "capital", None)
        yield Facts(
            title="Entry",
            rows=[
                ("Profile", link(obj.profile)),
                ("Account", link(obj.profile.account)),
                ("Balance", link(balance)),
                ("Cause", display.text(obj.cause)),
                ("Change of allocated (USD)", display.signed(obj.allocated_usd)),
                ("Change of reserved (USD)", display.signed(obj.reserved_usd)),
                ("Change of used (USD)", display.signed(obj.used_usd)),
                ("Run", link(obj.run) if obj.run else "no run: a person set the capital"),
                ("Recorded", display.moment(obj.recorded_at)),
            ],
        )
