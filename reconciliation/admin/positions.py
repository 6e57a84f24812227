"""The trading system's own position rows."""

from collections.abc import Iterable

from django.contrib import admin

from reconciliation.admin import columns as col
from reconciliation.admin import display, tables
from reconciliation.admin.base import ReadOnlyAdmin
from reconciliation.admin.delivered import Delivered, compare, owed
from reconciliation.admin.filters import WordFilter
from reconciliation.admin.links import link
from reconciliation.admin.page import Facts, Section
from reconciliation.admin.reads import by_direction
from reconciliation.admin.search import by_profile_and_text
from reconciliation.models import Position, Trade


def delivered_fields(position: Position) -> list[Delivered]:
    """Return the fields that the trading system delivers of a position."""
    return [
        Delivered(
            "Quantity",
            position.quantity,
            by_direction(position.direction, position.delivered_quantity),
        ),
        Delivered("Entry price", position.entry_price, position.delivered_entry_price),
    ]


def _owed(position: Position) -> str:
    return owed(delivered_fields(position))


DELIVERED_QUANTITY = col.computed_signed(
    "Delivered quantity", lambda row: by_direction(row.direction, row.delivered_quantity)
)


@admin.register(Position)
class PositionAdmin(ReadOnlyAdmin[Position]):
    note = (
        "Read-only: what a profile believes to hold, the sum of its slices. Reconciliation "
        "recalculates it when a slice changes."
    )
    empty_text = "No position row is recorded: the trading system has delivered none yet."
    list_display = (
        col.text("Symbol", "symbol"),
        col.whole_link("Profile", "profile"),
        col.text("Direction", "direction"),
        col.signed("Quantity", "quantity"),
        DELIVERED_QUANTITY,
        col.Column("Correction owed", _owed),
        col.amount("Entry price", "entry_price"),
        col.moment("Updated", "updated_at"),
    )
    list_filter = (("direction", WordFilter), "profile")
    list_select_related = ("profile",)
    object_related = ("profile__account",)
    search_by = (by_profile_and_text("symbol"),)
    search_help_text = "A whole symbol, for example BTC/USDT:USDT."

    def sections(self, obj: Position) -> Iterable[Section]:
        yield from compare(
            delivered_fields(obj),
            delivered_at=obj.delivered_at,
            undelivered="The trading system has not delivered this position.",
        )
        yield Facts(
            title="Position",
            rows=[
                ("Profile", link(obj.profile)),
                ("Account", link(obj.profile.account)),
                ("Symbol", display.text(obj.symbol)),
                ("Direction", display.text(obj.direction)),
                ("Quantity", display.signed(obj.quantity)),
                ("Entry price", display.amount(obj.entry_price)),
                ("Updated", display.moment(obj.updated_at)),
            ],
        )
        yield tables.trades(
            Trade.objects.holding().filter(
                profile=obj.profile_id, symbol=obj.symbol, direction=obj.direction
            ),
            title="Slices that hold this position",
            lookups={"profile__id__exact": obj.profile_id, "direction__exact": obj.direction},
            empty="No open or quarantined slice holds a quantity here.",
        )
        yield tables.audit_events_of(obj)
