"""Binance as far as an account reads it, spot and USD-M: windows of a day or a week, rising ids."""

from typing import Any

from tests.exchange.builders import NOW_MS
from tests.exchange.wire import Query, Refusal, Wire

SPOT, USDM = "api.binance.com/api/v3", "fapi.binance.com/fapi"
DAY_MS = 24 * 3600 * 1000
NOT_FOUND = Refusal({"code": -2013, "msg": "Order does not exist."}, 400)
Row = dict[str, Any]


def order_row(**changes: Any) -> Row:
    """Build the row of an open limit buy of 0.5 BTC at 60000 in USD-M futures."""
    row = {
        "avgPrice": "0.00000",
        "clientOrderId": "alpha01-1",
        "cumQuote": "0",
        "executedQty": "0",
        "orderId": 1001,
        "origQty": "0.500",
        "origType": "LIMIT",
        "price": "60000.0",
        "reduceOnly": False,
        "side": "BUY",
        "positionSide": "BOTH",
        "status": "NEW",
        "stopPrice": "0",
        "closePosition": False,
        "symbol": "BTCUSDT",
        "time": NOW_MS - 7_200_000,
        "timeInForce": "GTC",
        "type": "LIMIT",
        "updateTime": NOW_MS - 7_200_000,
    }
    return row | changes


def spot_order_row(**changes: Any) -> Row:
    """Build the row of an open limit buy of 0.5 BTC at 60000 on the spot market."""
    row = {
        "symbol": "BTCUSDT",
        "orderId": 1001,
        "orderListId": -1,
        "clientOrderId": "alpha01-1",
        "price": "60000.00000000",
        "origQty": "0.50000000",
        "executedQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000",
        "status": "NEW",
        "timeInForce": "GTC",
        "type": "LIMIT",
        "side": "BUY",
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": NOW_MS - 7_200_000,
        "updateTime": NOW_MS - 7_200_000,
        "isWorking": True,
    }
    return row | changes


def algo_row(**changes: Any) -> Row:
    """Build the row of a stop that sells 0.5 BTC at market."""
    row = {
        "algoId": 5001,
        "clientAlgoId": "alpha01-stop",
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET",
        "symbol": "BTCUSDT",
        "side": "SELL",
        "positionSide": "BOTH",
        "timeInForce": "GTC",
        "quantity": "0.500",
        "algoStatus": "NEW",
        "actualOrderId": "",
        "actualPrice": "0.0",
        "triggerPrice": "55000.0",
        "price": "0.0",
        "closePosition": False,
        "reduceOnly": True,
        "createTime": NOW_MS - 7_200_000,
        "updateTime": NOW_MS - 7_200_000,
        "triggerTime": 0,
    }
    return row | changes


def fill_row(fill_id: int = 1, before_ms: int = 3_600_000, **changes: Any) -> Row:
    """Build the row of 0.2 BTC bought at 59975 in USD-M futures, some time before now."""
    row = {
        "buyer": True,
        "commission": "6.5",
        "commissionAsset": "USDT",
        "id": fill_id,
        "maker": False,
        "orderId": 1001,
        "price": "59975.0",
        "qty": "0.200",
        "quoteQty": "11995.0",
        "realizedPnl": "0",
        "side": "BUY",
        "positionSide": "BOTH",
        "symbol": "BTCUSDT",
        "time": NOW_MS - before_ms,
    }
    return row | changes


def spot_fill_row(fill_id: int = 1, before_ms: int = 3_600_000, **changes: Any) -> Row:
    """Build the row of 0.2 BTC bought at 59975 on the spot market, its fee taken in BTC."""
    row = {
        "symbol": "BTCUSDT",
        "id": fill_id,
        "orderId": 1001,
        "orderListId": -1,
        "price": "59975.00000000",
        "qty": "0.20000000",
        "quoteQty": "11995.00000000",
        "commission": "0.00020000",
        "commissionAsset": "BTC",
        "time": NOW_MS - before_ms,
        "isBuyer": True,
        "isMaker": False,
        "isBestMatch": True,
    }
    return row | changes


def position_row(**changes: Any) -> Row:
    """Build the row of a net long of 0.5 BTC."""
    row = {
        "symbol": "BTCUSDT",
        "positionSide": "BOTH",
        "positionAmt": "0.500",
        "entryPrice": "60000.0",
        "breakEvenPrice": "60010.0",
        "markPrice": "61000.0",
        "unRealizedProfit": "500.0",
        "liquidationPrice": "0",
        "notional": "30500.0",
        "marginAsset": "USDT",
        "initialMargin": "3050.0",
        "updateTime": NOW_MS,
    }
    return row | changes


def asset_row(**changes: Any) -> Row:
    """Build the row of 50,000 USDT in the wallet, 500 of profit that is not realised beside it."""
    row = {
        "asset": "USDT",
        "walletBalance": "50000.0",
        "unrealizedProfit": "500.0",
        "marginBalance": "50500.0",
        "initialMargin": "3062.0",
        "positionInitialMargin": "3050.0",
        "openOrderInitialMargin": "12.0",
        "updateTime": NOW_MS,
    }
    return row | changes


def _listing(base: str, **changes: Any) -> Row:
    row = {
        "symbol": f"{base}USDT",
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": "USDT",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.10", "minPrice": "1", "maxPrice": "9"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001", "minQty": "0.001", "maxQty": "1000"},
        ],
    }
    return row | changes


def swap_listing(base: str) -> Row:
    """Build the listing of a USD-M perpetual."""
    return _listing(
        base,
        contractType="PERPETUAL",
        marginAsset="USDT",
        deliveryDate=4133404800000,
        pair=f"{base}USDT",
    )


class BinanceWire(Wire):
    """One account at both services; `fills` and `orders` are of whichever one is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: list[Row] = []
        self.algo_orders: list[Row] = []
        self.fills: list[Row] = []
        self.positions: list[Row] = []
        self.assets = [asset_row()]
        self.balances = [
            {"asset": "BTC", "free": "0.30000000", "locked": "0.20000000"},
            {"asset": "USDT", "free": "0.00000000", "locked": "0.00000000"},
        ]
        self.hedged = False
        self.limit = 1000
        spot = {"symbols": [_listing("BTC"), _listing("ETH")]}
        swaps = {"symbols": [swap_listing("BTC"), swap_listing("ETH")]}
        self.routes = {
            f"{SPOT}/exchangeInfo": lambda _: spot,
            f"{SPOT}/time": lambda _: {"serverTime": NOW_MS},
            f"{SPOT}/ticker/price": lambda query: {"symbol": query["symbol"], "price": "60990.1"},
            f"{SPOT}/openOrders": lambda _: self._open(),
            f"{SPOT}/order": self._order,
            f"{SPOT}/allOrders": self._all_orders,
            f"{SPOT}/myTrades": lambda query: self._fills(query, DAY_MS),
            f"{SPOT}/account": lambda _: {"canTrade": True, "balances": self.balances},
            f"{USDM}/v1/exchangeInfo": lambda _: swaps,
            f"{USDM}/v1/time": lambda _: {"serverTime": NOW_MS},
            f"{USDM}/v1/premiumIndex": lambda query: {
                "symbol": query["symbol"],
                "markPrice": "61000.5",
            },
            f"{USDM}/v1/openOrders": lambda _: self._open(),
            f"{USDM}/v1/openAlgoOrders": lambda _: [
                each for each in self.algo_orders if each["algoStatus"] == "NEW"
            ],
            f"{USDM}/v1/order": self._order,
            f"{USDM}/v1/algoOrder": self._algo_order,
            f"{USDM}/v1/allOrders": self._all_orders,
            f"{USDM}/v1/userTrades": lambda query: self._fills(query, 7 * DAY_MS),
            f"{USDM}/v3/positionRisk": lambda _: self.positions,
            f"{USDM}/v3/account": lambda _: {"assets": self.assets, "positions": []},
            f"{USDM}/v1/positionSide/dual": lambda _: {"dualSidePosition": self.hedged},
        }

    def _open(self) -> list[Row]:
        return [each for each in self.orders if each["status"] in ("NEW", "PARTIALLY_FILLED")]

    def _order(self, query: Query) -> object:
        return _one(self.orders, query, orderId="orderId", clientOrderId="origClientOrderId")

    def _algo_order(self, query: Query) -> object:
        return _one(self.algo_orders, query, algoId="algoId", clientAlgoId="clientAlgoId")

    def _all_orders(self, query: Query) -> list[Row]:
        first = int(query["orderId"])
        found = [
            each
            for each in self.orders
            if each["symbol"] == query["symbol"] and each["orderId"] >= first
        ]
        return sorted(found, key=lambda each: int(each["orderId"]))[: int(query["limit"])]

    def _fills(self, query: Query, longest_ms: int) -> list[Row]:
        found = [each for each in self.fills if each["symbol"] == query["symbol"]]
        if "orderId" in query:
            found = [each for each in found if str(each["orderId"]) == query["orderId"]]
        elif "fromId" in query:
            if "startTime" in query:
                raise Refusal({"code": -1128, "msg": "Combination of parameters invalid."}, 400)
            found = [each for each in found if each["id"] >= int(query["fromId"])]
        else:
            first, last = int(query["startTime"]), int(query["endTime"])
            if last - first > longest_ms:
                raise Refusal({"code": -4165, "msg": "Invalid time interval."}, 400)
            found = [each for each in found if first <= each["time"] <= last]
        return sorted(found, key=lambda each: int(each["id"]))[: min(1000, self.limit)]


def _one(rows: list[Row], query: Query, **names: str) -> Row:
    for row in rows:
        if any(query.get(asked) == str(row[name]) for name, asked in names.items()):
            return row
    raise NOT_FOUND
