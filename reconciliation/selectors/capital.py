"""What a profile's capital is made of: entry orders, slices, and the balance kept so far."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q, QuerySet

from reconciliation.domain.capital import Capital, EntryOrder, HeldSlice, capital_of
from reconciliation.enums import ACTIVE_ORDER_STATUSES, OrderType, Purpose
from reconciliation.models import CapitalBalance, Order, Profile, Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileCapital:
    """A profile's balance as it is kept (None before the first) beside what it is now."""

    profile: Profile
    kept: Capital | None
    now: Capital


def load_capital(account_id: int, marks: Mapping[str, Decimal]) -> list[ProfileCapital]:
    """Return the capital of every enabled profile of an account, by id: four queries."""
    profiles = list(Profile.objects.filter(account_id=account_id, enabled=True).order_by("pk"))
    balances = CapitalBalance.objects.filter(profile__account_id=account_id)
    kept = {balance.profile_id: kept_capital(balance) for balance in balances}
    orders: dict[int, list[EntryOrder]] = {}
    for profile_id, order in _entry_orders(account_id):
        orders.setdefault(profile_id, []).append(order)
    slices: dict[int, list[HeldSlice]] = {}
    held = Trade.objects.filter(account_id=account_id).holding().order_by()
    for profile_id, entry, out, price in held.values_list(
        "profile_id", "entry_quantity", "exit_quantity", "average_entry_price"
    ):
        slices.setdefault(profile_id, []).append(
            HeldSlice(open_quantity=entry - out, average_entry_price=price)
        )
    return [
        ProfileCapital(
            profile=profile,
            kept=kept.get(profile.pk),
            now=capital_of(
                allocated=profile.allocated_capital_usd,
                orders=orders.get(profile.pk, ()),
                slices=slices.get(profile.pk, ()),
                marks=marks,
            ),
        )
        for profile in profiles
    ]


def symbols_to_mark(account_id: int) -> list[str]:
    """Return the symbols in which an active entry order is priced by the market alone."""
    rows = _active_entries(account_id).filter(Q(type=OrderType.MARKET) | Q(price__isnull=True))
    return sorted(set(rows.values_list("symbol", flat=True)))


def kept_capital(balance: CapitalBalance) -> Capital:
    """Return a balance row as the domain sees it."""
    return Capital(
        allocated=balance.allocated_usd,
        reserved=balance.reserved_usd,
        used=balance.used_usd,
        unpriced=balance.unpriced,
    )


def _active_entries(account_id: int) -> QuerySet[Order]:
    rows = Order.objects.filter(account_id=account_id, status__in=sorted(ACTIVE_ORDER_STATUSES))
    return rows.filter(purpose=Purpose.ENTRY, profile__enabled=True).order_by()


def _entry_orders(account_id: int) -> list[tuple[int, EntryOrder]]:
    rows = _active_entries(account_id).values_list(
        "profile_id", "symbol", "type", "quantity", "filled_quantity", "price"
    )
    return [
        (
            profile_id,
            EntryOrder(
                symbol=symbol,
                type=OrderType(kind),
                quantity=quantity,
                filled_quantity=filled,
                price=price,
            ),
        )
        for profile_id, symbol, kind, quantity, filled, price in rows
    ]
