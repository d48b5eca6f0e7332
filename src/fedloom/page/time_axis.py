"""Axes of time, in the unit that suits what they span."""

from __future__ import annotations

from typing import NamedTuple

from fedloom.page.card import Trace

__all__ = ["TimeUnit", "time_axis", "time_unit"]


class TimeUnit(NamedTuple):
    """A unit of time: how many seconds it has, and its short name."""

    seconds: float
    name: str


_UNITS = (
    TimeUnit(86_400, "d"),
    TimeUnit(3_600, "h"),
    TimeUnit(60, "min"),
    TimeUnit(1, "s"),
    TimeUnit(1e-3, "ms"),
)


def time_unit(longest_s: float) -> TimeUnit:
    """Return the unit in which a span has at least three units, or the smallest.

    Example:
        >>> time_unit(600).name
        'min'
    """
    return next((unit for unit in _UNITS if longest_s >= 3 * unit.seconds), _UNITS[-1])


def time_axis(title: str, unit: TimeUnit, longest_s: float) -> Trace:
    """Return the horizontal axis of the time since the start, as far as `longest_s`."""
    return {
        "title": {"text": f"{title} ({unit.name})"},
        "range": [0, max(longest_s, 1e-6) / unit.seconds],
        "unifiedhovertitle": {"text": f"%{{x:,.4~r}} {unit.name}"},
    }
