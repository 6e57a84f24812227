"""Kraken (spot) as far as an account reads it: reads by POST, rows by their ids, counted lists."""

import re
from decimal import Decimal
from typing import Any

from tests.exchange.builders import NOW_MS
from tests.exchange.wire import Query, Wire

HOST = "api.kraken.com/0"
PAGE = 50
ORDER = "OQCLML-BW3P3-BUCMWZ"
_QUOTED_NUMBER = re.compile(r'"@([0-9.]+)"')
Row = dict[str, Any]


def seconds(before_ms: int) -> str:
    """Return a moment before now as the exchange tells it: seconds with four digits."""
    return f"@{Decimal(NOW_MS - before_ms) / 1000:.4f}"


def order_row(**changes: Any) -> Row:
    """Build the row of an open limit buy of 0.5 BTC at 60000; `descr_` changes its terms."""
    terms = {
        "pair": "XBTUSD",
        "type": "buy",
        "ordertype": "limit",
        "price": "60000.0",
        "price2": "0",
        "leverage": "none",
        "order": "buy 0.5 XBTUSD @ limit 60000.0",
        "close": "",
    }
    terms |= {name[6:]: changes.pop(name) for name in list(changes) if name.startswith("descr_")}
    row = {
        "refid": None,
        "userref": 0,
        "cl_ord_id": "alpha01-1",
        "status": "open",
        "opentm": seconds(7_200_000),
        "starttm": 0,
        "expiretm": 0,
        "descr": terms,
        "vol": "0.50000000",
        "vol_exec": "0.00000000",
        "cost": "0.00000",
        "fee": "0.00000",
        "price": "0.00000",
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": "fciq",
    }
    return row | changes


def fill_row(before_ms: int = 3_600_000, **changes: Any) -> Row:
    """Build the row of 0.2 BTC bought at 59975, some time before now."""
    row = {
        "ordertxid": ORDER,
        "postxid": "TKH2SE-M7IF5-CFI7LT",
        "pair": "XXBTZUSD",
        "time": seconds(before_ms),
        "type": "buy",
        "ordertype": "limit",
        "price": "59975.0",
        "cost": "11995.0",
        "fee": "19.2",
        "vol": "0.20000000",
        "margin": "0.00000",
        "leverage": "0",
        "misc": "",
        "trade_id": 77,
        "maker": True,
    }
    return row | changes


class KrakenWire(Wire):
    """One account; orders and fills by their ids, as the exchange keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[str, Row] = {}
        self.fills: dict[str, Row] = {}
        self.balances = {
            "XXBT": {"balance": "0.5000000000", "hold_trade": "0.2000000000"},
            "ZUSD": {"balance": "25435.2100", "hold_trade": "8249.7600"},
            "XETH": {"balance": "0.0000000000", "hold_trade": "0.0000000000"},
        }
        pairs = {
            "XXBTZUSD": _listing("XBTUSD", "XXBT", "ZUSD"),
            "SOLEUR": _listing("SOLEUR", "SOL", "ZEUR"),
        }
        self.routes = {
            f"{HOST}/public/AssetPairs": lambda _: body(pairs),
            f"{HOST}/public/Time": lambda _: body({"unixtime": NOW_MS // 1000}),
            f"{HOST}/public/Ticker": lambda query: body(
                {query["pair"]: {"c": ["60990.10000", "0.00045"]}}
            ),
            f"{HOST}/private/OpenOrders": lambda query: body(
                {"open": self._some(query, ("open", "pending"))}
            ),
            f"{HOST}/private/ClosedOrders": lambda query: body(
                {"closed": self._some(query, ("closed", "canceled", "expired")), "count": 1}
            ),
            f"{HOST}/private/QueryOrders": self._orders,
            f"{HOST}/private/QueryTrades": lambda query: body(
                {txid: self.fills[txid] for txid in query["txid"].split(",")}
            ),
            f"{HOST}/private/TradesHistory": self._history,
            f"{HOST}/private/BalanceEx": lambda _: body(self.balances),
        }

    def _answer(self, place: str, query: Query) -> tuple[int, str]:
        # Times are JSON numbers there, whose digits a float would not keep.
        status, text = super()._answer(place, query)
        return status, _QUOTED_NUMBER.sub(r"\1", text)

    def _some(self, query: Query, words: tuple[str, ...]) -> dict[str, Row]:
        wanted = query.get("cl_ord_id")
        return {
            txid: row
            for txid, row in self.orders.items()
            if row["status"] in words and wanted in (None, row["cl_ord_id"])
        }

    def _orders(self, query: Query) -> object:
        found = {txid: dict(row) for txid, row in self.orders.items() if txid in query["txid"]}
        if not found:
            return {"error": ["EOrder:Unknown order"]}
        if query.get("trades") == "true":
            for txid, row in found.items():
                row["trades"] = [
                    fill for fill, each in self.fills.items() if each["ordertxid"] == txid
                ]
        return body(found)

    def _history(self, query: Query) -> object:
        first, last = Decimal(query["start"]), Decimal(query["end"])
        found = {
            txid: row
            for txid, row in self.fills.items()
            if first < Decimal(row["time"][1:]) <= last
        }
        newest_first = sorted(found, key=lambda txid: Decimal(found[txid]["time"][1:]))[::-1]
        offset = int(query["ofs"])
        shown = newest_first[offset : offset + PAGE]
        return body({"trades": {txid: found[txid] for txid in shown}, "count": len(found)})


def _listing(altname: str, base: str, quote: str) -> Row:
    return {
        "altname": altname,
        "wsname": altname,
        "aclass_base": "currency",
        "base": base,
        "aclass_quote": "currency",
        "quote": quote,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "ordermin": "0.0001",
        "tick_size": "0.1",
        "status": "online",
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "leverage_buy": [],
        "leverage_sell": [],
    }


def body(result: object) -> dict[str, object]:
    """Wrap a result as the exchange does."""
    return {"error": [], "result": result}
