"""Whole desks simulated in memory: the real decisions against an exchange that an oracle knows."""
