"""Exchange accounts and profiles: who trades where, and what they have at hand."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from reconciliation.admin import columns as col
from reconciliation.admin import display, supervision_tables, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.console.profile import standing_sections, timeline
from reconciliation.admin.deciding_types import Viewer
from reconciliation.admin.links import anchor, changelist_url, link
from reconciliation.admin.page import Block, Facts, Grid, Section
from reconciliation.admin.pausing import PausingAdmin
from reconciliation.admin.running import run_now_offer
from reconciliation.admin.search import by_text
from reconciliation.enums import HOLDING_TRADE_STATUSES, MismatchStatus
from reconciliation.models import (
    CapitalEntry,
    Decision,
    Escalation,
    ExchangeAccount,
    Fill,
    FillCoverage,
    Mismatch,
    Order,
    ParityReading,
    Pause,
    Position,
    Profile,
    Run,
    Trade,
    WatchdogState,
)

SET_ON_THE_SERVER = (
    "Read-only here: accounts and profiles are changed under Set-up, so that each change has its "
    "audit event."
)


@admin.register(ExchangeAccount)
class ExchangeAccountAdmin(ReadOnlyAdmin[ExchangeAccount]):
    note = SET_ON_THE_SERVER
    empty_text = "No exchange account is set up yet, so nothing is reconciled."
    list_display = (
        col.text("Name", "name"),
        col.text("Exchange", "exchange_id"),
        col.text("Position mode", "position_mode"),
        col.yes_no("Enabled", "enabled"),
        col.moment("Created", "created_at"),
    )
    list_filter = ("enabled",)
    list_defer = ("options",)
    ordering = ("name",)
    search_by = (by_text("name"),)
    search_help_text = "The whole name of an account."

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show an account, and the button that runs one of its jobs now."""
        offers = [run_now_offer(Viewer.of(request), object_id)]
        return super().change_view(
            request, object_id, form_url, {"offers": offers, **(extra_context or {})}
        )

    def sections(self, obj: ExchangeAccount) -> Iterable[Section]:
        here = {"account__id__exact": obj.pk}
        yield Facts(
            title="Exchange account",
            rows=[
                ("Name", display.text(obj.name)),
                ("Exchange", display.text(obj.exchange_id)),
                ("Position mode", display.text(obj.position_mode)),
                ("Enabled", display.yes_no(obj.enabled)),
                (
                    "API keys",
                    f"never in the database; the environment holds {obj.credential_prefix}_API_KEY,"
                    f" {obj.credential_prefix}_SECRET and {obj.credential_prefix}_PASSWORD",
                ),
                ("Created", display.moment(obj.created_at)),
                ("Accepted as found until", display.moment(obj.baseline_at)),
                ("Orders", anchor(changelist_url(Order, here), "orders of this account")),
                ("Fills", anchor(changelist_url(Fill, here), "fills of this account")),
                ("Coverage", anchor(changelist_url(FillCoverage, here), "which fills are known")),
            ],
        )
        yield Grid(
            title="Profiles",
            queryset=Profile.objects.filter(account=obj).order_by("name"),
            columns=PROFILE_COLUMNS,
            order="first",
            url=changelist_url(Profile, here),
            empty="No profile trades on this account.",
        )
        yield tables.runs(
            Run.objects.filter(account=obj),
            title="Latest runs",
            lookups=here,
            empty="No job has run on this account yet.",
        )
        yield tables.mismatches(
            Mismatch.objects.filter(account=obj, status=MismatchStatus.OPEN),
            title="Open mismatches",
            lookups=here | {"status__exact": MismatchStatus.OPEN.value},
            empty="No mismatch is open. That is proven only as far as its latest runs succeeded.",
        )
        yield supervision_tables.escalations(
            Escalation.objects.unresolved().filter(account=obj),
            title="Escalations that are not resolved",
            lookups=here,
            empty="Nothing of this account is escalated.",
        )
        yield supervision_tables.parity_readings(
            ParityReading.objects.filter(account=obj),
            title="Latest positions found other than equal",
            lookups=here,
            empty="No heartbeat found a position of this account other than equal.",
        )
        yield Block.of(title="Options", text=display.pretty_json(obj.options))
        yield tables.audit_events_of(obj)


PROFILE_COLUMNS = (
    col.itself("Profile"),
    col.text("Sub tag", "sub_tag"),
    col.amount("Allocated capital (USD)", "allocated_capital_usd"),
    col.yes_no("Enabled", "enabled"),
)


@admin.register(Profile)
class ProfileAdmin(PausingAdmin):
    note = SET_ON_THE_SERVER
    empty_text = "No profile is set up yet: every order and fill would belong to nobody."
    list_display = (
        col.text("Name", "name"),
        col.whole_link("Account", "account"),
        col.text("Sub tag", "sub_tag"),
        col.amount("Allocated capital (USD)", "allocated_capital_usd"),
        col.yes_no("Enabled", "enabled"),
        col.moment("Created", "created_at"),
    )
    list_filter = ("enabled", "account")
    list_select_related = ("account",)
    object_related = ("account", "lease", "capital", "watchdog")
    ordering = ("name",)
    search_by = (by_text("name"), by_text("sub_tag"))
    search_help_text = "The whole name or sub tag of a profile."

    def sections(self, obj: Profile) -> Iterable[Section]:
        here = {"profile__id__exact": obj.pk}
        yield from standing_sections(obj)
        yield tables.trades(
            Trade.objects.filter(profile=obj, status__in=sorted(HOLDING_TRADE_STATUSES)),
            title="Open trades",
            lookups=here | {"status__in": ",".join(sorted(HOLDING_TRADE_STATUSES))},
            empty="No trade of this profile is open.",
        )
        yield tables.mismatches(
            Mismatch.objects.filter(profile=obj, status=MismatchStatus.OPEN),
            title="Open mismatches",
            lookups=here | {"status__exact": MismatchStatus.OPEN.value},
            empty="No mismatch of this profile is open.",
        )
        yield supervision_tables.pauses(
            Pause.objects.filter(profile=obj),
            title="Pauses",
            lookups=here,
            empty="This profile has never been paused.",
        )
        yield Facts(
            title="Profile",
            rows=[
                ("Name", display.text(obj.name)),
                ("Account", link(obj.account)),
                ("Sub tag", display.text(obj.sub_tag)),
                ("Enabled", display.yes_no(obj.enabled)),
                ("Created", display.moment(obj.created_at)),
                ("Watchdog", link(_watchdog(obj))),
                *(("All that was done to it", url) for url in [timeline(obj)] if url),
            ],
        )
        yield Grid(
            title="Positions",
            queryset=Position.objects.filter(profile=obj).order_by("symbol", "direction"),
            columns=(
                col.itself("Position"),
                col.signed("Quantity", "quantity"),
                col.amount("Entry price", "entry_price"),
                col.moment("Updated", "updated_at"),
            ),
            order="first",
            url=changelist_url(Position, here),
            empty="This profile has no position row.",
        )
        yield tables.trades(
            Trade.objects.filter(profile=obj),
            title="Latest trades",
            lookups=here,
            empty="This profile has no trade.",
        )
        yield tables.orders(
            Order.objects.filter(profile=obj),
            title="Latest orders",
            lookups=here,
            empty="This profile has no order.",
        )
        yield supervision_tables.escalations(
            Escalation.objects.unresolved().filter(profile=obj),
            title="Escalations that are not resolved",
            lookups=here,
            empty="Nothing of this profile is escalated.",
        )
        yield supervision_tables.capital_entries(
            CapitalEntry.objects.filter(profile=obj),
            title="Latest changes of capital",
            lookups=here,
            empty="The ledger of this profile has no row.",
        )
        yield supervision_tables.decisions(
            Decision.objects.filter(profile=obj),
            title="Latest decisions",
            lookups=here,
            empty="Nobody has decided anything about this profile.",
        )
        yield tables.audit_events_of(obj)


def _watchdog(profile: Profile) -> WatchdogState | None:
    return getattr(profile, "watchdog", None)
