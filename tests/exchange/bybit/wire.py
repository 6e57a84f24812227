"""Bybit as far as an account reads it: v5 bodies, windows of seven days, opaque cursors."""

from collections.abc import Iterable
from typing import Any

from tests.exchange.builders import NOW_MS
from tests.exchange.wire import Query, Refusal, Wire

HOST = "api.bybit.com"
WEEK_MS = 7 * 24 * 3600 * 1000
Row = dict[str, Any]


def order_row(**changes: Any) -> Row:
    """Build the row of an open limit buy of 0.5 BTC at 60000."""
    row = {
        "orderId": "b1001",
        "orderLinkId": "alpha01-1",
        "blockTradeId": "",
        "symbol": "BTCUSDT",
        "price": "60000",
        "qty": "0.5",
        "side": "Buy",
        "isLeverage": "",
        "positionIdx": 0,
        "orderStatus": "New",
        "cancelType": "UNKNOWN",
        "rejectReason": "EC_NoError",
        "avgPrice": "",
        "leavesQty": "0.5",
        "leavesValue": "30000",
        "cumExecQty": "0",
        "cumExecValue": "0",
        "cumExecFee": "0",
        "timeInForce": "GTC",
        "orderType": "Limit",
        "stopOrderType": "",
        "triggerPrice": "",
        "reduceOnly": False,
        "closeOnTrigger": False,
        "createdTime": str(NOW_MS - 7_200_000),
        "updatedTime": str(NOW_MS - 7_200_000),
    }
    return row | changes


def fill_row(fill_id: str = "e1", before_ms: int = 3_600_000, **changes: Any) -> Row:
    """Build the row of an execution of 0.2 BTC bought at 59975, some time before now."""
    row = {
        "symbol": "BTCUSDT",
        "orderId": "b1001",
        "orderLinkId": "alpha01-1",
        "side": "Buy",
        "orderPrice": "60000",
        "orderQty": "0.5",
        "leavesQty": "0",
        "orderType": "Limit",
        "stopOrderType": "UNKNOWN",
        "execFee": "6.5",
        "feeCurrency": "",
        "execId": fill_id,
        "execPrice": "59975",
        "execQty": "0.2",
        "execType": "Trade",
        "execValue": "11995",
        "execTime": str(NOW_MS - before_ms),
        "isMaker": True,
        "feeRate": "0.00055",
        "seq": 19157444346,
    }
    return row | changes


def position_row(**changes: Any) -> Row:
    """Build the row of a net long of 0.5 BTC."""
    row = {
        "positionIdx": 0,
        "symbol": "BTCUSDT",
        "side": "Buy",
        "size": "0.5",
        "avgPrice": "60000",
        "markPrice": "61000",
        "positionValue": "30000",
        "positionIM": "3000",
        "unrealisedPnl": "500",
        "positionStatus": "Normal",
        "updatedTime": str(NOW_MS),
    }
    return row | changes


def coin_row(**changes: Any) -> Row:
    """Build the row of 50,000 USDT in the wallet, 500 of profit that is not realised beside it."""
    row = {
        "coin": "USDT",
        "equity": "50500",
        "walletBalance": "50000",
        "unrealisedPnl": "500",
        "totalOrderIM": "12",
        "totalPositionIM": "3000",
        "locked": "0",
    }
    return row | changes


def swap_listing(base: str = "BTC", **changes: Any) -> Row:
    """Build the listing of a linear perpetual."""
    row = {
        "symbol": f"{base}USDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "deliveryTime": "0",
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"minOrderQty": "0.001", "maxOrderQty": "1190", "qtyStep": "0.001"},
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
    }
    return row | changes


def spot_listing() -> Row:
    """Build the listing of BTC/USDT."""
    return {
        "symbol": "BTCUSDT",
        "baseCoin": "BTC",
        "quoteCoin": "USDT",
        "status": "Trading",
        "marginTrading": "both",
        "lotSizeFilter": {"basePrecision": "0.000001", "quotePrecision": "0.00000001"},
        "priceFilter": {"tickSize": "0.01"},
    }


class BybitWire(Wire):
    """One account; `orders` are the recent ones, `old_orders` what only the history shows."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[Row] = []
        self.old_orders: list[Row] = []
        self.fills: list[Row] = []
        self.positions: list[Row] = []
        self.coins = [coin_row()]
        usdc = swap_listing(symbol="BTCPERP", quoteCoin="USDC", settleCoin="USDC")
        self.swaps = [swap_listing(), swap_listing("ETH"), usdc]
        self.routes = {
            f"{HOST}/v5/market/instruments-info": self._instruments,
            f"{HOST}/v5/market/time": lambda _: {**body({}), "time": NOW_MS},
            f"{HOST}/v5/market/tickers": self._tickers,
            f"{HOST}/v5/order/realtime": self._open_orders,
            f"{HOST}/v5/order/history": lambda query: self._orders(self.old_orders, query),
            f"{HOST}/v5/execution/list": self._fills,
            f"{HOST}/v5/position/list": self._positions,
            f"{HOST}/v5/account/wallet-balance": self._wallet,
        }

    def _instruments(self, query: Query) -> object:
        if query.get("status") == "PreLaunch":
            return page(query, [])
        return page(query, [spot_listing()] if query["category"] == "spot" else self.swaps)

    def _tickers(self, query: Query) -> object:
        row = {"symbol": query["symbol"], "lastPrice": "60990.1", "markPrice": "61000.5"}
        return page(query, [row])

    def _open_orders(self, query: Query) -> object:
        if "orderId" in query or "orderLinkId" in query:
            return self._orders(self.orders, query)
        active = ("New", "PartiallyFilled", "Untriggered", "Triggered")
        return page(query, [each for each in self.orders if each["orderStatus"] in active])

    def _orders(self, rows: list[Row], query: Query) -> object:
        wanted = {name: query[name] for name in ("orderId", "orderLinkId") if name in query}
        found = [row for row in rows if all(row[name] == wanted[name] for name in wanted)]
        return page(query, found)

    def _positions(self, query: Query) -> object:
        if "symbol" not in query and "settleCoin" not in query:
            raise Refusal({"retCode": 10001, "retMsg": "params error: symbol or settleCoin"})
        return page(query, self.positions)

    def _wallet(self, query: Query) -> object:
        account = {"accountType": query["accountType"], "totalEquity": "50500", "coin": self.coins}
        return body({"list": [account]})

    def _fills(self, query: Query) -> object:
        found = self.fills
        if "orderId" in query:
            found = [each for each in found if each["orderId"] == query["orderId"]]
        else:
            first, last = int(query["startTime"]), int(query["endTime"])
            if last - first > WEEK_MS:
                raise Refusal({"retCode": 10001, "retMsg": "more than 7 days"})
            found = [each for each in found if first <= int(each["execTime"]) <= last]
        if "execType" in query:
            found = [each for each in found if each["execType"] == query["execType"]]
        newest_first = sorted(found, key=lambda each: int(each["execTime"]), reverse=True)
        return page(query, newest_first)


def page(query: Query, rows: Iterable[Row]) -> object:
    """Return the page of a list that a query asks for, with the cursor of the next one."""
    every = [
        row for row in rows if query.get("settleCoin") in (None, row.get("settleCoin", "USDT"))
    ]
    first, limit = int(query.get("cursor", "p0")[1:]), int(query.get("limit", "50"))
    last = first + limit
    cursor = f"p{last}" if last < len(every) else ""
    return body(
        {"category": query["category"], "list": every[first:last], "nextPageCursor": cursor}
    )


def body(result: object) -> dict[str, object]:
    """Wrap a result as the exchange does."""
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": NOW_MS}
