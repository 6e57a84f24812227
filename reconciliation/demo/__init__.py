"""The demo: trading systems that miss messages, an exchange, and the portal that repairs.

One process keeps three others running, with the supervisor that keeps the portal running too: web
and workers, which are the portal, and `world`, which is everything outside it. All is real but the
trading and the exchange: bots deliver over the API, jobs run in the queue, the client reads over
HTTP.
"""
