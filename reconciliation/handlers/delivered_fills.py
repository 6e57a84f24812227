"""What the kept fills that delivered history rows name have left, and whose they prove to be.

A row that names a fill may count no more of it than nothing else has taken yet; a fill that
belongs to another profile or trade is never used, whoever names it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from django.db.models import QuerySet

from reconciliation.domain.amounts import ZERO
from reconciliation.domain.attribution import Conflict, attribute, index_owners
from reconciliation.domain.books import KeptFill, ProfileState
from reconciliation.domain.deliveries import DeliveredHistory, Delivery
from reconciliation.domain.keys import DELIVERED_PREFIX
from reconciliation.domain.plans.booking import net_quantity
from reconciliation.enums import Purpose, Side
from reconciliation.handlers.delivered_orders import OrderDesk
from reconciliation.handlers.delivered_rows import Desk, OutOfScope, Refused
from reconciliation.models import Fill, FillAllocation, Order, OrderLeg, Trade, TradeHistory
from reconciliation.selectors.lists import id_list, text_list
from reconciliation.selectors.states import kept_fill, trade_state

FillKey: TypeAlias = tuple[str, Side, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A part of a fill, base units net of fees, that a history row of a trade has taken.

    `is_nameless` says that the row is one of the trading system's that names no fill.
    """

    trade: int
    trade_id: str
    profile: int
    quantity: Decimal
    is_nameless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FillShare:
    """What a row may still count of the fill it names.

    `nameless` is what rows of the same trade without a fill id cover of it.
    """

    left: Decimal
    nameless: Decimal


class FillDesk:
    """The kept fills that the rows of a delivery name; locked, so that what is left stays so."""

    def __init__(self, desk: Desk, delivery: Delivery, orders: OrderDesk) -> None:
        self.desk, self.orders = desk, orders
        self._kept: dict[FillKey, KeptFill] = {}
        self._left: dict[FillKey, Decimal] = {}
        self._claims: dict[FillKey, list[Claim]] = defaultdict(list)
        self._by_exchange_id: dict[tuple[str, str], Order] = {}
        self._by_client_id: dict[str, Order] = {}
        names = {row.exchange_fill_id for row in delivery.history if row.exchange_fill_id}
        if names:
            self._load_fills(names)
            self._load_claims(names)
            self._load_orders()

    def share_of(self, row: DeliveredHistory, trade: Trade) -> FillShare | None:
        """Return what a row may count of the fill it names, or None for a fill not seen yet.

        Raises `Refused` where the fill is another's, or another trade has taken all of it.
        """
        key = _key_of(trade, row.kind, row.exchange_fill_id)
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._refuse_foreign(kept, trade)
        own = _own_key(trade)
        claims = [claim for claim in self._claims[key] if claim.quantity > 0]
        is_own = any(claim.trade == own for claim in claims)
        for claim in claims if not is_own else ():
            self.desk.refuse_foreign(
                claim.profile, f"exchange_fill_id: fill {row.exchange_fill_id!r}"
            )
        others = sorted({claim.trade_id for claim in claims if claim.trade != own})
        if self._left[key] <= 0 and others and not is_own:
            raise Refused(
                f"exchange_fill_id: fill {row.exchange_fill_id!r} is booked to trade"
                f" {', '.join(others)} already; name the fill of this trade"
            )
        nameless = (c.quantity for c in claims if c.trade == own and c.is_nameless)
        return FillShare(left=max(self._left[key], ZERO), nameless=sum(nameless, ZERO))

    def take(self, row: DeliveredHistory, trade: Trade, quantity: Decimal) -> None:
        """Note what a row of this delivery counts of the fill it names."""
        key = _key_of(trade, row.kind, row.exchange_fill_id)
        if key in self._kept:
            self._claim(key, trade, quantity)

    def _claim(self, key: FillKey, trade: Trade, quantity: Decimal) -> None:
        self._left[key] -= quantity
        self._claims[key].append(
            Claim(
                trade=_own_key(trade),
                trade_id=trade.trade_id,
                profile=trade.profile_id,
                quantity=quantity,
            )
        )

    def _load_fills(self, names: Iterable[str]) -> None:
        rows = Fill.objects.select_for_update(no_key=True).filter(
            account=self.desk.account, exchange_fill_id__in=text_list(names)
        )
        for row in rows.defer("raw").order_by("pk"):
            kept = kept_fill(row)
            key = (kept.fill.symbol, kept.fill.side, kept.fill.fill_id)
            self._kept[key] = kept
            self._left[key] = _net(kept, kept.remaining)

    def _load_claims(self, names: Iterable[str]) -> None:
        """Load which rows the fills are allocated to, and the rows that wait for such a fill."""
        by_pk = {kept.id: key for key, kept in self._kept.items()}
        covered: dict[int, Decimal] = defaultdict(lambda: ZERO)
        allocations = FillAllocation.objects.filter(fill_id__in=id_list(by_pk)).select_related(
            "history", "trade"
        )
        for each in allocations.order_by("pk"):
            key = by_pk[each.fill_id]
            net = _net(self._kept[key], each.quantity)
            net = -net if each.released else net
            covered[each.history_id] += net
            self._claims[key].append(
                Claim(
                    trade=each.trade_id,
                    trade_id=each.trade.trade_id,
                    profile=each.trade.profile_id,
                    quantity=net,
                    is_nameless=each.history.exchange_fill_id is None,
                )
            )
        waiting = TradeHistory.objects.filter(
            trade__account=self.desk.account,
            exchange_fill_id__in=text_list(names),
            key__startswith=DELIVERED_PREFIX,
            booked_quantity__gt=0,
        )
        for row in waiting.select_related("trade").order_by("pk"):
            key = _key_of(row.trade, row.kind, row.exchange_fill_id)
            uncovered = row.booked_quantity - covered[row.pk]
            if key in self._kept and uncovered > 0:
                self._claim(key, row.trade, uncovered)

    def _load_orders(self) -> None:
        """Load whose orders the fills are of; a triggered or replaced order is its leg."""
        fills = [kept.fill for kept in self._kept.values()]
        exchange_ids = [fill.exchange_order_id for fill in fills if fill.exchange_order_id]
        client_ids = [fill.client_order_id for fill in fills if fill.client_order_id]
        account = Order.objects.filter(account=self.desk.account).order_by()
        found: QuerySet[Order] = account.filter(
            exchange_order_id__in=text_list(exchange_ids)
        ).union(account.filter(client_order_id__in=text_list(client_ids)))
        legs = OrderLeg.objects.filter(
            account=self.desk.account, exchange_order_id__in=text_list(exchange_ids)
        ).select_related("order")
        for leg in legs:
            self._by_exchange_id[(leg.symbol, leg.exchange_order_id)] = leg.order
        for order in found:
            if order.exchange_order_id is not None:
                self._by_exchange_id[(order.symbol, order.exchange_order_id)] = order
            if order.client_order_id is not None:
                self._by_client_id[order.client_order_id] = order

    def _owner(self, kept: KeptFill) -> Order | None:
        """Return the order that a fill is of, as this very delivery knows it where it does."""
        exchange_id = (kept.fill.symbol, kept.fill.exchange_order_id or "")
        client_id = kept.fill.client_order_id or ""
        return (
            self.orders.by_exchange_id.get(exchange_id)
            or self.orders.by_client_id.get(client_id)
            or self._by_exchange_id.get(exchange_id)
            or self._by_client_id.get(client_id)
        )

    def _refuse_foreign(self, kept: KeptFill, trade: Trade) -> None:
        """Refuse a fill whose order, client id, hint or tag is another profile's or trade's."""
        name = f"exchange_fill_id: fill {kept.fill.fill_id!r}"
        fix = "name the fill of this trade"
        order = self._owner(kept)
        if order is not None:
            self.desk.refuse_foreign(order.profile_id, name)
        if order is not None and order.profile_id != trade.profile_id:
            raise Refused(f"{name} is of order {order}, which is another profile's; {fix}")
        if order is not None and self.orders.is_of_another_trade(order, trade):
            raise Refused(f"{name} is of order {order}, which is another trade's; {fix}")
        profiles = {
            row.pk: ProfileState(id=row.pk, name=row.name, sub_tag=row.sub_tag)
            for row in self.desk.profiles.values()
        }
        owners = index_owners(profiles, [trade_state(trade)], self.desk.client_order_ids)
        found = attribute(kept.fill, owners)
        if isinstance(found, Conflict):
            if self.desk.foreign:  # the sentence may name one of them
                raise OutOfScope(f"{name}: the evidence contradicts itself; {fix}")
            raise Refused(f"{name}: {found.sentence}; {fix}")
        if found is None:
            return
        self.desk.refuse_foreign(found.profile.id, name)
        if found.profile.id != trade.profile_id:
            raise Refused(f"{name} is profile {found.profile.name}'s by its {found.mode}; {fix}")
        if found.trade_code not in (None, trade.code):
            raise Refused(f"{name} is another trade's by its {found.mode}; {fix}")


def _key_of(trade: Trade, kind: str, fill_id: str | None) -> FillKey:
    return trade.symbol, trade_state(trade).side_of(Purpose(kind)), fill_id or ""


def _own_key(trade: Trade) -> int:
    """Return what tells a trade from others, also before it is written."""
    return -id(trade) if trade.pk is None else trade.pk


def _net(kept: KeptFill, gross: Decimal) -> Decimal:
    symbol = kept.fill.symbol
    return net_quantity(kept.fill, gross, None if ":" in symbol else symbol.split("/")[0])
