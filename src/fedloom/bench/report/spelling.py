"""Measures as people read them."""

from __future__ import annotations

from fedloom.bench.report.interval import Interval
from fedloom.bench.report.measures import Kind
from fedloom.page.wording import MISSING, number

__all__ = ["spell", "spell_interval"]

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def spell(value: float | None, kind: Kind) -> str:
    """Return a value with its unit; a dash stands for None.

    Example:
        >>> spell(0.8853, Kind.SCORE), spell(7.1e9, Kind.BYTES), spell(12.3, Kind.SECONDS)
        ('0.885', '7.1 GB', '12.3 s')
    """
    if value is None:
        return MISSING
    if kind is Kind.NUMBER:
        return number(value)
    divisor, decimals, unit = _scale(value, kind)
    return f"{value / divisor:,.{decimals}f}{unit}"


def spell_interval(interval: Interval, kind: Kind) -> str:
    """Return mean ± half width with one unit, or the mean alone where there is no interval.

    Example:
        >>> spell_interval(Interval(33.712, 0.9351, 3), Kind.SECONDS)
        '33.7 ± 0.9 s'
    """
    mean, half = interval.mean, interval.half_width
    if mean is None or half is None:
        return spell(mean, kind)
    if kind is Kind.NUMBER:
        return f"{number(mean)} ± {number(half, 2)}"
    divisor, decimals, unit = _scale(mean, kind)
    return f"{mean / divisor:,.{decimals}f} ± {half / divisor:,.{decimals}f}{unit}"


def _scale(value: float, kind: Kind) -> tuple[float, int, str]:
    """Return what to divide by, the decimals to show, and the unit."""
    if kind is Kind.BYTES:
        return _scale_bytes(value)
    if kind is Kind.SECONDS:  # all in seconds, so that columns compare
        decimals = 0 if abs(value) >= 100 or value == 0 else 1 if abs(value) >= 1 else 3
        return 1.0, decimals, " s"
    return _FIXED[kind]


def _scale_bytes(value: float) -> tuple[float, int, str]:
    divisor, power = 1.0, 0
    while round(value / divisor, 1) >= 1000 and power < len(_UNITS) - 1:
        divisor, power = divisor * 1000, power + 1
    return divisor, 1 if power else 0, f" {_UNITS[power]}"


_FIXED = {Kind.SCORE: (1.0, 3, ""), Kind.PERCENT: (1.0, 1, " %"), Kind.RATIO: (1.0, 2, "")}
