"""The endpoints: which path answers what, and how often it may be asked.

Only what a read-only key needs is here, and nothing of it changes anything.
"""

from dataclasses import dataclass

from reconciliation.exchange.paper import account_routes, trade_routes
from reconciliation.exchange.paper.questions import Handler


@dataclass(frozen=True, slots=True)
class Route:
    """A path's endpoint name, its handler and its budget of requests per `per_seconds`."""

    endpoint: str
    handler: Handler
    budget: int
    per_seconds: int = 2
    signed: bool = True


ROUTES: dict[str, Route] = {
    "/api/v5/public/time": Route("time", account_routes.server_time, 10, signed=False),
    "/api/v5/public/instruments": Route(
        "instruments", account_routes.instruments, 20, signed=False
    ),
    "/api/v5/public/mark-price": Route("ticker", account_routes.mark_price, 10, signed=False),
    "/api/v5/market/ticker": Route("ticker", account_routes.ticker, 20, signed=False),
    "/api/v5/market/tickers": Route("ticker", account_routes.tickers, 20, signed=False),
    "/api/v5/account/config": Route("config", account_routes.account_config, 5),
    "/api/v5/account/balance": Route("balance", account_routes.balance, 10),
    "/api/v5/account/positions": Route("positions", account_routes.positions, 10),
    "/api/v5/account/bills": Route("bills", account_routes.bills, 5, per_seconds=1),
    "/api/v5/account/bills-archive": Route("bills", account_routes.bills_archive, 5),
    "/api/v5/trade/orders-pending": Route("open_orders", trade_routes.orders_pending, 60),
    "/api/v5/trade/orders-algo-pending": Route("open_orders", trade_routes.algo_orders_pending, 20),
    "/api/v5/trade/order": Route("order", trade_routes.order, 60),
    "/api/v5/trade/order-algo": Route("order", trade_routes.algo_order, 20),
    "/api/v5/trade/orders-history": Route("order_history", trade_routes.orders_history, 40),
    "/api/v5/trade/orders-history-archive": Route(
        "order_history", trade_routes.orders_history_archive, 20
    ),
    "/api/v5/trade/orders-algo-history": Route(
        "order_history", trade_routes.algo_orders_history, 20
    ),
    "/api/v5/trade/fills": Route("fills", trade_routes.fills, 60),
    "/api/v5/trade/fills-history": Route("fills", trade_routes.fills_history, 10),
}
