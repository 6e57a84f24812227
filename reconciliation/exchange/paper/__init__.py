"""A local exchange that speaks OKX v5 over HTTP: for the demo, the drills and the tests.

`book` is the truth of an account, `faults` what can be told to go wrong, `server` the exchange.
"""
