"""The demo: a trading system that misses messages, an exchange, and the portal that repairs.

Two processes under one that watches them: `worker` (paper exchange, bots, reconciliation loop)
and `server` (the console). Everything is real but the trading and the exchange: the handlers, the
cycle, the client over HTTP, the database.
"""
