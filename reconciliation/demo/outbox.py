"""The rows that a bot delivers at once."""

from reconciliation.domain.deliveries import (
    DeliveredHistory,
    DeliveredOrder,
    DeliveredPosition,
    DeliveredTrade,
    Delivery,
)


class Outbox:
    """The rows of one second; of a row that changed twice in it only the last word goes out."""

    def __init__(self) -> None:
        self.trades: list[DeliveredTrade] = []
        self.orders: list[DeliveredOrder] = []
        self.history: list[DeliveredHistory] = []
        self.positions: list[DeliveredPosition] = []

    def __bool__(self) -> bool:
        return bool(self.trades or self.orders or self.history or self.positions)

    def delivery(self, account: str) -> Delivery:
        """Return everything as one delivery."""
        return Delivery(
            account=account,
            trades=tuple({row.trade_id: row for row in self.trades}.values()),
            orders=tuple({row.client_order_id: row for row in self.orders}.values()),
            history=tuple(self.history),
            positions=tuple({(row.symbol, row.direction): row for row in self.positions}.values()),
        )
