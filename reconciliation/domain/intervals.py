"""Intervals of time whose fills are known: joining them, and finding what is missing.

An interval is (start, end), both inclusive, start ≤ end. Exchanges count milliseconds, so two
intervals one millisecond apart leave nothing between them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

Interval = tuple[datetime, datetime]
TICK = timedelta(milliseconds=1)


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the same moments as the fewest intervals, in order of time."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1] + TICK:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def gaps(window: Interval, known: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the parts of a window that no known interval covers, in order of time."""
    missing: list[Interval] = []
    (at, end), at_is_known = window, False
    for known_start, known_end in merge(known):
        if known_end < at:
            continue
        if known_start > end:
            break
        if known_start > at:
            missing.append((at, known_start))
        at, at_is_known = max(at, known_end), True
    if at < end or not at_is_known:
        missing.append((at, end))
    return tuple(missing)


def covers(window: Interval, known: Iterable[Interval]) -> bool:
    """Return whether every moment of a window is known."""
    return not gaps(window, known)
