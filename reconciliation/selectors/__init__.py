"""Reads: rows → domain types. Nothing here writes."""
