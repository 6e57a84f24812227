"""Judge delivered orders: forward in status, up in quantity filled, never against a repair."""

from datetime import datetime
from decimal import Decimal

from reconciliation.domain.amounts import ZERO, plain
from reconciliation.domain.audit import EventDraft
from reconciliation.domain.deliveries import DeliveredOrder, Delivery
from reconciliation.domain.keys import parse_client_order_id, profile_code
from reconciliation.domain.transitions import merge_delivered_status
from reconciliation.enums import (
    ACTIVE_ORDER_STATUSES,
    DeliveryOutcome,
    OrderStatus,
    Origin,
    PositionSide,
    Purpose,
    TradeStatus,
)
from reconciliation.handlers.bulk import insert_rows, update_rows
from reconciliation.handlers.delivered_rows import Desk, Refused
from reconciliation.handlers.delivered_trades import TradeDesk
from reconciliation.models import Order, OrderLeg, Profile, Trade
from reconciliation.selectors.lists import id_list, text_list
from reconciliation.selectors.states import trade_state


class OrderDesk:
    """Orders: known by client order id, else by exchange order id."""

    def __init__(self, desk: Desk, delivery: Delivery, trades: TradeDesk) -> None:
        self.desk, self.trades = desk, trades
        client_ids = [row.client_order_id for row in delivery.orders if row.client_order_id]
        exchange_ids = [row.exchange_order_id for row in delivery.orders if row.exchange_order_id]
        refs = [row.order_ref for row in delivery.history if row.order_ref is not None]
        orderless = [row.trade_id for row in delivery.history if row.order_ref is None]
        rows = self._lock(
            client_ids=client_ids + refs,
            exchange_ids=exchange_ids + refs,
            trade_ids=[
                trade.pk
                for trade_id, trade in trades.by_trade_id.items()
                if trade.pk is not None and trade_id in set(orderless)
            ],
        )
        self._foreign_legs = self._load_foreign_legs(exchange_ids)
        self.by_client_id: dict[str, Order] = {}
        # Some exchanges count their order ids per symbol.
        self.by_exchange_id: dict[tuple[str, str], Order] = {}
        self._of_trade: dict[tuple[int | None, str | None], list[Order]] = {}
        for order in rows:
            self._index(order)
            self._of_trade.setdefault((order.trade_id, order.purpose), []).append(order)
        self.new: list[Order] = []
        self.changed: dict[int, Order] = {}
        self._trades: dict[int, Trade] = {}
        self._taken: list[tuple[Order, Profile]] = []

    def _lock(
        self, *, client_ids: list[str], exchange_ids: list[str], trade_ids: list[int]
    ) -> list[Order]:
        """Lock the orders of these ids, and those of these trades, in order of their keys."""
        # A union rather than an OR: each branch has an index of its own.
        account = Order.objects.filter(account=self.desk.account).order_by()
        wanted = account.filter(client_order_id__in=text_list(client_ids)).values("pk")
        wanted = wanted.union(
            account.filter(exchange_order_id__in=text_list(exchange_ids)).values("pk"),
            account.filter(trade_id__in=id_list(trade_ids)).values("pk"),
        )
        rows = Order.objects.filter(pk__in=wanted)
        return list(rows.order_by("pk").select_for_update(no_key=True))

    def _load_foreign_legs(self, exchange_ids: list[str]) -> dict[tuple[str, str | None], int]:
        """Load whose legs the exchange order ids are, where they are a foreign profile's."""
        if not (self.desk.foreign and exchange_ids):
            return {}
        legs = OrderLeg.objects.filter(
            account=self.desk.account,
            exchange_order_id__in=text_list(exchange_ids),
            order__profile_id__in=id_list(self.desk.foreign),
        ).select_related("order")
        return {(leg.symbol, leg.exchange_order_id): leg.order.profile_id for leg in legs}

    def find(self, ref: str, symbol: str) -> Order:
        """Return an order by client or exchange order id; raises `Refused` for a stranger."""
        order = self.by_client_id.get(ref) or self.by_exchange_id.get((symbol, ref))
        if order is None:
            raise Refused(f"order_ref: {ref!r} is not known; deliver the order first")
        self.desk.refuse_foreign(order.profile_id, f"order_ref: {ref!r}")
        return order

    def judge(self, row: DeliveredOrder) -> DeliveryOutcome:
        """Take an order row: create it, or merge it through the legal transitions."""
        profile = self.desk.profile(row.profile)
        _check_order(row)
        self._refuse_foreign_evidence(row)
        trade = None if row.trade_id is None else self.trades.find(row.trade_id)
        if trade is not None:
            _check_trade_of(row, profile, trade)
        order = self._known(row)
        if order is None:
            order = self._create(row, profile, trade)
            self._taken.append((order, profile))
            self._touch_trade(trade, order)
            return DeliveryOutcome.ACCEPTED
        if (order.profile_id, order.symbol, order.side) != (profile.pk, row.symbol, row.side):
            raise Refused(
                "client_order_id: an order with this id has another profile, symbol or side"
            )
        if order.purpose not in (None, row.purpose):
            raise Refused(f"purpose: this order is known as an {order.purpose}")
        if trade is not None and self.is_of_another_trade(order, trade):
            raise Refused(f"trade_id: this order is of another trade than {row.trade_id!r}")
        if _repeats(order, row):
            return DeliveryOutcome.UNCHANGED
        self._merge(order, row, trade)
        self._taken.append((order, profile))
        return DeliveryOutcome.MERGED

    def _refuse_foreign_evidence(self, row: DeliveredOrder) -> None:
        """Refuse an order that would pass for a foreign profile's at the exchange."""
        self.desk.refuse_foreign_tag(row.sub_tag)
        named = parse_client_order_id(row.client_order_id)
        for profile in self.desk.foreign.values():
            if named is not None and profile_code(profile.sub_tag) == named.profile_code:
                self.desk.refuse_foreign(profile.pk, f"client_order_id: {row.client_order_id!r}")
        leg = self._foreign_legs.get((row.symbol, row.exchange_order_id))
        self.desk.refuse_foreign(leg, f"exchange_order_id: {row.exchange_order_id!r}")

    def is_of_another_trade(self, order: Order, trade: Trade) -> bool:
        """Return whether an order is known to be of a trade, and that is another one."""
        delivered = self._trades.get(id(order))
        if delivered is not None:
            return delivered is not trade
        return order.trade_id is not None and order.trade_id != trade.pk

    def _known(self, row: DeliveredOrder) -> Order | None:
        """Return the order that a row is about; raises `Refused` where its ids name two."""
        by_client = by_exchange = None
        if row.client_order_id is not None:
            by_client = self.by_client_id.get(row.client_order_id)
        if row.exchange_order_id is not None:
            by_exchange = self.by_exchange_id.get((row.symbol, row.exchange_order_id))
        for name, order in (("client_order_id", by_client), ("exchange_order_id", by_exchange)):
            if order is not None:
                self.desk.refuse_foreign(order.profile_id, f"{name}: {getattr(row, name)!r}")
        if by_exchange is None or by_exchange is by_client:
            return by_client
        if by_client is None and None in (row.client_order_id, by_exchange.client_order_id):
            return by_exchange
        raise Refused(f"exchange_order_id: {row.exchange_order_id!r} is another order's")

    def _touch_trade(self, trade: Trade | None, order: Order) -> None:
        """Let no older decision on a trade hold: it has an order that the decision did not see.

        An entry that lives makes a canceled trade pending again.
        """
        if trade is None:
            return
        self.trades.touch(trade)
        enters = order.purpose == Purpose.ENTRY and order.status in ACTIVE_ORDER_STATUSES
        if enters and trade.status == TradeStatus.CANCELED:
            trade.status = TradeStatus.PENDING

    def touch_possible(self, trade: Trade, purpose: str) -> None:
        """Note a sign of life of every order that a row without an order may speak of."""
        orders = () if trade.pk is None else self._of_trade.get((trade.pk, purpose), ())
        for order in orders:
            if order.last_activity_at < self.desk.now:
                self.touch(order)

    def touch(self, order: Order) -> None:
        """Note that something was delivered of an order."""
        order.last_activity_at = max(order.last_activity_at, self.desk.now)
        if order.pk is not None and order.pk not in self.changed:
            order.version += 1
            self.changed[order.pk] = order

    def write(self) -> None:
        """Write what was judged; the trades of new orders have their keys by now."""
        for order in (*self.new, *self.changed.values()):
            trade = self._trades.get(id(order))
            if trade is not None:
                order.trade_id = trade.pk
        insert_rows(Order, self.new)
        update_rows(
            Order,
            list(self.changed.values()),
            fields=[
                "trade_id",
                "purpose",
                "status",
                "quantity",
                "price",
                "filled_quantity",
                "average_price",
                "client_order_id",
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
        if trade is not None:
            self._trades[id(order)] = trade
        self.new.append(order)
        self._index(order)
        return order

    def _merge(self, order: Order, row: DeliveredOrder, trade: Trade | None) -> None:
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
        # What was not known of the order before: its ids, its trade, what it is for.
        order.client_order_id = order.client_order_id or row.client_order_id
        order.exchange_order_id = order.exchange_order_id or row.exchange_order_id
        self._index(order)
        order.purpose = order.purpose or row.purpose
        if trade is not None and order.trade_id is None and id(order) not in self._trades:
            self._trades[id(order)] = trade
            self._touch_trade(trade, order)
        _remember(order, row, self.desk.now)
        self.touch(order)

    def _index(self, order: Order) -> None:
        if order.client_order_id is not None:
            self.by_client_id[order.client_order_id] = order
        if order.exchange_order_id is not None:
            self.by_exchange_id[(order.symbol, order.exchange_order_id)] = order

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
        given = plain(row.filled_quantity)
        raise Refused(f"filled_quantity: {given} is not between 0 and the quantity")
    if row.status == OrderStatus.FILLED and row.filled_quantity == 0:
        raise Refused("filled_quantity: a FILLED order has one that is not 0; deliver it")


def _check_trade_of(row: DeliveredOrder, profile: Profile, trade: Trade) -> None:
    """Refuse an order that contradicts the trade it names."""
    if trade.profile_id != profile.pk:
        raise Refused(f"profile: trade {row.trade_id!r} is another profile's")
    if trade.symbol != row.symbol:
        raise Refused(f"symbol: trade {row.trade_id!r} is in {trade.symbol}")
    side = trade_state(trade).side_of(row.purpose)
    if side != row.side:
        raise Refused(f"side: an {row.purpose} of a {trade.direction} is a {side}")
    if row.position_side not in (None, PositionSide.NET, trade.direction):
        raise Refused(f"position_side: trade {row.trade_id!r} is a {trade.direction}")


def _repeats(order: Order, row: DeliveredOrder) -> bool:
    """Return whether a row says what the last delivery of its order said."""
    adds = (
        (row.exchange_order_id is not None and order.exchange_order_id is None)
        or (row.client_order_id is not None and order.client_order_id is None)
        or (row.trade_id is not None and order.trade_id is None and order.pk is not None)
    )
    return not adds and (
        order.delivered_status,
        order.delivered_quantity,
        order.delivered_price,
        order.delivered_filled_quantity,
        order.delivered_average_price,
    ) == (row.status, row.quantity, row.price, row.filled_quantity, row.average_price)


def _remember(order: Order, row: DeliveredOrder, now: datetime) -> None:
    order.delivered_status = row.status
    order.delivered_quantity = row.quantity
    order.delivered_price = row.price
    order.delivered_filled_quantity = row.filled_quantity
    order.delivered_average_price = row.average_price
    order.delivered_at = now


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)
