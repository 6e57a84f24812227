"""What the names of a drill stand for, as far as the file has been read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from reconciliation.domain.deliveries import DeliveredOrder, DeliveredTrade
from reconciliation.drills import values
from reconciliation.drills.schema import AccountSpec, ProfileSpec
from reconciliation.drills.source import Node, suggestion
from reconciliation.exchange.paper.records import PaperInstrument

Named = TypeVar("Named")


@dataclass(kw_only=True)
class Names:
    """The names that resolve. `trades` and `orders` grow with each `database` section.

    `trade_profiles` looks ahead: it holds the profile of every trade that any section of the file
    names, because the exchange can know an order of a trade before the trading system writes it.
    `trade_codes` holds the name of every trade that a client order id speaks of, by its code.
    """

    start: datetime
    accounts: Mapping[str, AccountSpec]
    profiles: Mapping[str, ProfileSpec]
    instruments: Mapping[str, PaperInstrument]
    trade_profiles: Mapping[str, str]
    trades: dict[str, DeliveredTrade] = field(default_factory=dict)
    orders: dict[str, DeliveredOrder] = field(default_factory=dict)
    trade_codes: dict[str, str] = field(default_factory=dict)
    adopted_trades: set[str] = field(default_factory=set)

    def account(self, node: Node) -> str:
        return resolve(node, "account", self.accounts).name

    def profile(self, node: Node) -> str:
        return resolve(node, "profile", self.profiles).name

    def symbol(self, node: Node) -> str:
        return resolve(node, "symbol", self.instruments).symbol

    def trade(self, node: Node) -> str:
        """Return the id of a trade that the trading system has written by now."""
        return resolve(node, "trade", self.trades).trade_id

    def decided_trade(self, node: Node) -> str:
        """Return the id of a trade that the portal can know by now: adoptions make some."""
        known = {name: name for name in (*self.trades, *sorted(self.adopted_trades))}
        return resolve(node, "trade", known)

    def order(self, node: Node) -> str:
        """Return the key of an order that the trading system has written by now."""
        resolve(node, "order", self.orders)
        return values.text(node, "order")

    def order_key(self, name: str) -> str:
        """Return the key of an order that is named by key or by exchange order id.

        An order that the portal adopts has no key; its exchange order id is its name.
        """
        if name in self.orders:
            return name
        for key, order in self.orders.items():
            if order.exchange_order_id == name:
                return key
        return name


def resolve(node: Node, what: str, known: Mapping[str, Named]) -> Named:
    """Return what a name stands for; an unknown one is an error with the nearest that is known."""
    name = values.text(node, what)
    if name not in known:
        raise node.error(f"there is no {what} {name!r}{suggestion(name, known)}")
    return known[name]
