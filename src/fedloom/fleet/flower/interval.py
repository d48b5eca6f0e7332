"""How a node of ours is told from a stock one before it was ever asked anything.

Of a node a SuperLink tells a number, a key, and how often it gives signs of life. So ours choose
intervals with a fraction of a second that no stock SuperNode has (its interval is 30 s). Messages
to ours travel as one request; those to a stock node, or to who knows, as a tree of objects.
"""

from __future__ import annotations

from math import floor

__all__ = ["is_ours", "mark_interval"]

_FRACTION = 0.25
_LEAST_SECONDS, _MOST_SECONDS = 10, 1799


def mark_interval(seconds: float) -> float:
    """Return the interval that a node of ours gives for one of so many seconds, 10 to 1800."""
    return min(_MOST_SECONDS, max(_LEAST_SECONDS, floor(seconds))) + _FRACTION


def is_ours(seconds: float) -> bool:
    """Return whether a node with this interval takes records inside of messages."""
    return seconds % 1 == _FRACTION
