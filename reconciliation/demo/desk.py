"""Somebody's hands on an account: trades opened by the book, and what happens past the book."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from reconciliation.demo.accounts import BotSpec
from reconciliation.demo.beliefs import BotOrder, BotTrade
from reconciliation.demo.market import paper_side
from reconciliation.demo.outbox import Outbox
from reconciliation.domain.deliveries import Delivery
from reconciliation.domain.keys import client_order_id
from reconciliation.enums import Direction, OrderStatus, Purpose
from reconciliation.exchange.paper.book import PaperAccount, PaperFill, PaperOrder, PaperPosition


class Desk:
    """One profile's trades by hand; what is delivered goes out at once."""

    def __init__(
        self, *, spec: BotSpec, exchange: PaperAccount, deliver: Callable[[Delivery], None]
    ) -> None:
        self.spec = spec
        self.exchange = exchange
        self.opened: dict[str, BotTrade] = {}
        self._deliver = deliver

    def open(
        self,
        name: str,
        symbol: str,
        quantity: int,
        *,
        age: timedelta = timedelta(),
        named: bool = True,
    ) -> BotTrade:
        """Buy, and deliver all of it; without a name the order carries neither tag nor our id."""
        trade = BotTrade(
            trade_id=name,
            profile=self.spec.profile,
            sub_tag=self.spec.sub_tag,
            symbol=symbol,
            direction=Direction.LONG,
            opened_at=self.exchange.now() - age,
        )
        client_id = self._client_id(name, Purpose.ENTRY) if named else f"web{name}".replace("-", "")
        placed = self._place(trade, Purpose.ENTRY, Decimal(quantity), client_id, named=named)
        fill = self.exchange.fill(placed.exchange_order_id, at=trade.opened_at)
        order = _order(trade, Purpose.ENTRY, placed, client_id)
        history = order.learn(self.order_now(placed), [fill], by_id=True)
        outbox = Outbox()
        outbox.trades.append(trade.row())
        row = order.row()
        outbox.orders.append(row if named else replace(row, sub_tag=None))
        outbox.history += history
        outbox.positions.append(trade.position_row())
        self._deliver(outbox.delivery(self.exchange.name))
        self.opened[name] = trade
        return trade

    def exit_unheard(self, trade: BotTrade, quantity: int) -> PaperFill:
        """Deliver an exit order that is at work, and let it be filled without a word."""
        client_id = self._client_id(trade.trade_id, Purpose.EXIT)
        placed = self._place(trade, Purpose.EXIT, Decimal(quantity), client_id, named=True)
        order = _order(trade, Purpose.EXIT, placed, client_id)
        self._deliver(Delivery(account=self.exchange.name, orders=(order.row(),)))
        return self.exchange.fill(placed.exchange_order_id)

    def sell(
        self,
        symbol: str,
        quantity: int,
        *,
        tag: str | None = None,
        client_id: str | None = None,
        price: Decimal | None = None,
        shown_after: timedelta = timedelta(),
    ) -> PaperFill:
        """Sell at the exchange, by default at the mark, and tell nobody; it may list that later."""
        exchange = self.exchange
        placed = exchange.place(
            symbol, "sell", Decimal(quantity), type="market", tag=tag, client_order_id=client_id
        )
        shown = exchange.now() + shown_after if shown_after else None
        return exchange.fill(placed.exchange_order_id, price=price, visible_from=shown)

    def sold_before(self, symbol: str, quantity: int, *, age: timedelta) -> PaperFill:
        """Let the exchange list a sale of some time ago, of something that was held then."""
        at = self.exchange.now() - age
        exchange = self.exchange
        held = held_net(exchange, symbol)
        placed = exchange.place(
            symbol, "sell", Decimal(quantity), type="market", tag=self.spec.sub_tag, at=at
        )
        fill = exchange.fill(placed.exchange_order_id, at=at)
        hold(exchange, {symbol: held})
        return fill

    def exit_id(self, name: str) -> str:
        """Return the client order id of the first exit of a trade."""
        return self._client_id(name, Purpose.EXIT)

    def order_now(self, placed: PaperOrder) -> PaperOrder:
        """Return an order as it is at the exchange."""
        return self.exchange.view().orders_by_id[placed.exchange_order_id]

    def _client_id(self, name: str, purpose: Purpose) -> str:
        return client_order_id(sub_tag=self.spec.sub_tag, trade_id=name, purpose=purpose)

    def _place(
        self, trade: BotTrade, purpose: Purpose, quantity: Decimal, client_id: str, *, named: bool
    ) -> PaperOrder:
        return self.exchange.place(
            trade.symbol,
            paper_side(trade.side(purpose)),
            quantity,
            self.exchange.instrument(trade.symbol).mark,
            client_order_id=client_id,
            tag=self.spec.sub_tag if named else None,
            at=trade.opened_at if purpose == Purpose.ENTRY else None,
        )


def hold(exchange: PaperAccount, held: dict[str, Decimal]) -> None:
    """Make the exchange hold so much, all at once and without a fill."""
    exchange.put_positions(
        PaperPosition(symbol, "net", quantity, exchange.instrument(symbol).mark)
        for symbol, quantity in held.items()
    )


def held_net(exchange: PaperAccount, symbol: str) -> Decimal:
    """Return what the exchange holds in net mode, signed."""
    return sum((each.signed for each in exchange.positions() if each.symbol == symbol), Decimal(0))


def _order(trade: BotTrade, purpose: Purpose, placed: PaperOrder, client_id: str) -> BotOrder:
    return BotOrder(
        trade=trade,
        purpose=purpose,
        client_order_id=client_id,
        exchange_order_id=placed.exchange_order_id,
        status=OrderStatus.OPEN,
        quantity=placed.quantity,
        price=placed.price or Decimal(0),
        created_at=placed.created_at,
    )
