"""Reconciliation of a trading system's books with exchange truth."""
