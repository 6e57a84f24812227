"""The jobs: claim a run, read the exchange, compare, look up, apply, record."""
