"""Judge delivered trades, orders and positions; each desk loads once and writes once."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Model

from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.deliveries import (
    DeliveredOrder,
    DeliveredTrade,
    Delivery,
)
from reconciliation.domain.keys import trade_code
from reconciliation.domain.plans.adoption import ADOPTED_TRADE_PREFIX
from reconciliation.domain.transitions import merge_delivered_status
from reconciliation.enums import (
    DeliveryOutcome,
    OrderStatus,
    Origin,
    TradeStatus,
)
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.models import ExchangeAccount, Order, Profile, Trade
from reconciliation.selectors.lists import text_list


class Refused(ValueError):
    """A delivered row that cannot be taken; the text names the field and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The account whose rows are judged, and when."""

    account: ExchangeAccount
    profiles: dict[str, Profile]
    now: datetime

    def profile(self, name: str) -> Profile:
        """Return the profile of the account by name; raises `Refused` for a stranger."""
        profile = self.profiles.get(name)
        if profile is None:
            known = ", ".join(sorted(self.profiles)) or "none"
            raise Refused(f"profile: {name!r} is not on account {self.account.name!r} ({known})")
        return profile

    def event(self, kind: str, row: Model, profile: Profile, after: object) -> EventDraft:
        """Return the event of a row that was taken and written."""
        return EventDraft(
            action=f"{kind}.delivered",
            object_type=kind,
            object_id=str(row.pk),
            profile=profile.name,
            account=self.account.name,
            after={"row": after},
        )


class TradeDesk:
    """Trades: created once; their quantities come from the history alone."""

    def __init__(self, desk: Desk, delivery: Delivery) -> None:
        self.desk = desk
        ids = [row.trade_id for row in delivery.trades]
        ids += [row.trade_id for row in delivery.history]
        ids += [row.trade_id for row in delivery.orders if row.trade_id is not None]
        account = Trade.objects.select_for_update().filter(account=desk.account).order_by("pk")
        known = account.filter(trade_id__in=text_list(ids))
        self.by_trade_id = {row.trade_id: row for row in known}
        # Trades that were opened for adopted orders, before anybody said what they are called.
        adopted = {
            (row.profile_id, row.code): row
            for row in account.filter(trade_id__startswith=ADOPTED_TRADE_PREFIX)
        }
        for trade_id in ids if adopted else ():
            for profile in desk.profiles.values():
                row = adopted.get((profile.pk, trade_code(profile.sub_tag, trade_id)))
                if row is not None:
                    self.by_trade_id.setdefault(trade_id, row)
        self.new: list[Trade] = []
        self.changed: dict[int, Trade] = {}
        self._taken: list[tuple[Trade, Profile]] = []

    def find(self, trade_id: str) -> Trade:
        """Return a trade of the account; raises `Refused` for one nobody delivered."""
        trade = self.by_trade_id.get(trade_id)
        if trade is None:
            raise Refused(f"trade_id: {trade_id!r} is not known; deliver the trade first")
        return trade

    def judge(self, row: DeliveredTrade) -> DeliveryOutcome:
        """Take a trade row: create it, or check that it is the one that is known."""
        profile = self.desk.profile(row.profile)
        trade = self.by_trade_id.get(row.trade_id)
        if trade is None:
            trade = Trade(
                account=self.desk.account,
                profile=profile,
                trade_id=row.trade_id,
                code=trade_code(profile.sub_tag, row.trade_id),
                symbol=row.symbol,
                direction=row.direction,
                sub_tag=row.sub_tag,
                status=_initial_status(row.status),
                entry_quantity=ZERO,
                exit_quantity=ZERO,
                delivered_status=row.status,
                opened_at=row.opened_at,
                last_activity_at=max(row.opened_at, self.desk.now),
            )
            self.by_trade_id[row.trade_id] = trade
            self.new.append(trade)
            self._taken.append((trade, profile))
            return DeliveryOutcome.ACCEPTED
        for name, known, given in (
            ("profile", trade.profile_id, profile.pk),
            ("symbol", trade.symbol, row.symbol),
            ("direction", trade.direction, row.direction),
        ):
            if known != given:
                raise Refused(f"{name}: trade {row.trade_id!r} has another; an id is never reused")
        if (trade.trade_id, trade.delivered_status) == (row.trade_id, row.status):
            return DeliveryOutcome.UNCHANGED
        trade.trade_id = row.trade_id
        trade.delivered_status = row.status
        if row.status == TradeStatus.CANCELED and trade.status == TradeStatus.PENDING:
            trade.status = TradeStatus.CANCELED
        self.touch(trade)
        self._taken.append((trade, profile))
        return DeliveryOutcome.MERGED

    def touch(self, trade: Trade) -> None:
        """Note that a trade was changed by this delivery."""
        if trade.pk is not None and trade.pk not in self.changed:
            trade.version += 1
            self.changed[trade.pk] = trade
        trade.last_activity_at = max(trade.last_activity_at, self.desk.now)

    def write(self) -> None:
        """Write what was judged."""
        insert_rows(Trade, self.new)
        update_rows(
            Trade,
            list(self.changed.values()),
            fields=[
                "trade_id",
                "status",
                "delivered_status",
                "entry_quantity",
                "exit_quantity",
                "average_entry_price",
                "average_exit_price",
                "closed_at",
                "last_activity_at",
                "version",
            ],
        )

    def events(self) -> list[EventDraft]:
        """Return one event a row taken; the rows are written by now."""
        return [
            self.desk.event(
                "trade",
                trade,
                profile,
                {
                    "trade_id": trade.trade_id,
                    "symbol": trade.symbol,
                    "direction": trade.direction,
                    "sub_tag": trade.sub_tag,
                    "status": trade.delivered_status,
                    "opened_at": trade.opened_at,
                },
            )
            for trade, profile in self._taken
        ]


def _initial_status(delivered: TradeStatus | None) -> TradeStatus:
    """Return the status before any history: a trade that holds nothing yet."""
    return TradeStatus.CANCELED if delivered == TradeStatus.CANCELED else TradeStatus.PENDING


class OrderDesk:
    """Orders: known by client order id, else by exchange order id."""

    def __init__(self, desk: Desk, delivery: Delivery, trades: TradeDesk) -> None:
        self.desk, self.trades = desk, trades
        client_ids = [row.client_order_id for row in delivery.orders if row.client_order_id]
        exchange_ids = [row.exchange_order_id for row in delivery.orders if row.exchange_order_id]
        refs = [row.order_ref for row in delivery.history if row.order_ref is not None]
        account = Order.objects.select_for_update().filter(account=desk.account).order_by("pk")
        rows = [
            *account.filter(client_order_id__in=text_list(client_ids + refs)),
            *account.filter(exchange_order_id__in=text_list(exchange_ids + refs)),
        ]
        self.by_client_id: dict[str, Order] = {}
        self.by_exchange_id: dict[str, Order] = {}
        for order in rows:
            self._index(order)
        self.new: list[Order] = []
        self.changed: dict[int, Order] = {}
        self._taken: list[tuple[Order, Profile]] = []

    def find(self, ref: str) -> Order:
        """Return an order by client or exchange order id; raises `Refused` for a stranger."""
        order = self.by_client_id.get(ref) or self.by_exchange_id.get(ref)
        if order is None:
            raise Refused(f"order: {ref!r} is not known; deliver the order first")
        return order

    def judge(self, row: DeliveredOrder) -> DeliveryOutcome:
        """Take an order row: create it, or merge it through the legal transitions."""
        profile = self.desk.profile(row.profile)
        _check_order(row)
        trade = None if row.trade_id is None else self.trades.find(row.trade_id)
        order = None
        if row.client_order_id is not None:
            order = self.by_client_id.get(row.client_order_id)
        if order is None and row.exchange_order_id is not None:
            order = self.by_exchange_id.get(row.exchange_order_id)
        if order is None:
            order = self._create(row, profile, trade)
            self._taken.append((order, profile))
            return DeliveryOutcome.ACCEPTED
        if (order.profile_id, order.symbol, order.side) != (profile.pk, row.symbol, row.side):
            raise Refused(
                "client_order_id: an order with this id has another profile, symbol or side"
            )
        if _repeats(order, row):
            return DeliveryOutcome.UNCHANGED
        self._merge(order, row)
        self._taken.append((order, profile))
        return DeliveryOutcome.MERGED

    def touch(self, order: Order) -> None:
        """Note that something was delivered of an order."""
        order.last_activity_at = max(order.last_activity_at, self.desk.now)
        if order.pk is not None and order.pk not in self.changed:
            order.version += 1
            self.changed[order.pk] = order

    def write(self) -> None:
        """Write what was judged; the trades of new orders have their keys by now."""
        for order in self.new:
            if order.trade is not None:
                order.trade_id = order.trade.pk
        insert_rows(Order, self.new)
        update_rows(
            Order,
            list(self.changed.values()),
            fields=[
                "status",
                "quantity",
                "price",
                "filled_quantity",
                "average_price",
                "exchange_order_id",
                "delivered_status",
                "delivered_quantity",
                "delivered_price",
                "delivered_filled_quantity",
                "delivered_average_price",
                "delivered_at",
                "last_activity_at",
                "version",
            ],
        )

    def _create(self, row: DeliveredOrder, profile: Profile, trade: Trade | None) -> Order:
        order = Order(
            account=self.desk.account,
            profile=profile,
            trade=trade,
            purpose=row.purpose,
            origin=Origin.BOT,
            client_order_id=row.client_order_id,
            exchange_order_id=row.exchange_order_id,
            order_class=row.order_class,
            symbol=row.symbol,
            side=row.side,
            position_side=row.position_side,
            type=row.type,
            sub_tag=row.sub_tag,
            status=row.status,
            quantity=row.quantity,
            price=row.price,
            filled_quantity=row.filled_quantity,
            average_price=row.average_price,
            created_at=row.created_at,
            last_activity_at=max(row.created_at, self.desk.now),
        )
        _remember(order, row, self.desk.now)
        self.new.append(order)
        self._index(order)
        return order

    def _merge(self, order: Order, row: DeliveredOrder) -> None:
        """Take what a changed row adds: forward in status, up in quantity filled."""
        status = merge_delivered_status(OrderStatus(order.status), row.status)
        terms_changed = (row.quantity, row.price) != (
            order.delivered_quantity,
            order.delivered_price,
        )
        if terms_changed and status == row.status:
            order.quantity, order.price = row.quantity, row.price
        order.status = status
        if row.filled_quantity > order.filled_quantity:
            order.filled_quantity = row.filled_quantity
            order.average_price = row.average_price
        if order.exchange_order_id is None and row.exchange_order_id is not None:
            order.exchange_order_id = row.exchange_order_id
            self._index(order)
        _remember(order, row, self.desk.now)
        self.touch(order)

    def _index(self, order: Order) -> None:
        if order.client_order_id is not None:
            self.by_client_id[order.client_order_id] = order
        if order.exchange_order_id is not None:
            self.by_exchange_id[order.exchange_order_id] = order

    def events(self) -> list[EventDraft]:
        """Return one event a row taken; the rows are written by now."""
        return [
            self.desk.event(
                "order",
                order,
                profile,
                {
                    "client_order_id": order.client_order_id,
                    "exchange_order_id": order.exchange_order_id,
                    "delivered_status": order.delivered_status,
                    "delivered_filled_quantity": _text(order.delivered_filled_quantity),
                    "status": order.status,
                    "filled_quantity": _text(order.filled_quantity),
                },
            )
            for order, profile in self._taken
        ]


def _check_order(row: DeliveredOrder) -> None:
    if row.client_order_id is None and row.exchange_order_id is None:
        raise Refused("client_order_id: an order needs it, or an exchange_order_id")
    if row.quantity <= 0:
        raise Refused(f"quantity: {plain(row.quantity)} is not positive")
    if not ZERO <= row.filled_quantity <= row.quantity:
        raise Refused(f"filled: {plain(row.filled_quantity)} is not between 0 and the quantity")
    if row.status == OrderStatus.FILLED and row.filled_quantity == 0:
        raise Refused("filled: a FILLED order has a filled quantity; deliver it")


def _repeats(order: Order, row: DeliveredOrder) -> bool:
    """Return whether a row says what the last delivery of its order said."""
    return (
        order.delivered_status,
        order.delivered_quantity,
        order.delivered_price,
        order.delivered_filled_quantity,
        order.delivered_average_price,
    ) == (row.status, row.quantity, row.price, row.filled_quantity, row.average_price) and (
        row.exchange_order_id is None or order.exchange_order_id is not None
    )


def _remember(order: Order, row: DeliveredOrder, now: datetime) -> None:
    order.delivered_status = row.status
    order.delivered_quantity = row.quantity
    order.delivered_price = row.price
    order.delivered_filled_quantity = row.filled_quantity
    order.delivered_average_price = row.average_price
    order.delivered_at = now


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
