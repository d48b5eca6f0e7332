"""Spreads: a column summed up as mean, percentiles and maximum; the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.units import MICROSECONDS

__all__ = ["Spread", "exact_sum", "spread_of", "spread_of_times", "to_number"]

_HALF = 32


@dataclass(frozen=True, slots=True)
class Spread:
    """How values are spread; all None where there is no value.

    Percentiles are interpolated between the two nearest values (NumPy's ``linear``).
    """

    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None

    def to_dict(self) -> Mapping[str, float | None]:
        """Return mean, p50, p95, p99 and max, with six decimals."""
        return {
            name: to_number(getattr(self, name)) for name in ("mean", "p50", "p95", "p99", "max")
        }


def to_number(value: float | None) -> float | None:
    """Return a number as results spell it, with six decimals; None stays, infinity is None."""
    if value is None or not np.isfinite(value):
        return None
    return round(float(value), 6)


def exact_sum(values: NDArray[np.int64]) -> int:
    """Return the sum of whole numbers, exact beyond 64 bits too."""
    high, low = values >> _HALF, values & ((1 << _HALF) - 1)
    return (int(high.sum()) << _HALF) + int(low.sum())


def spread_of_times(times_us: NDArray[np.int64]) -> Spread:
    """Return the spread in seconds of times in microseconds."""
    if len(times_us) == 0:
        return Spread()
    mean = exact_sum(times_us) / len(times_us) / MICROSECONDS
    low, middle, high = _percentiles(times_us)
    scale = MICROSECONDS
    return Spread(mean, low / scale, middle / scale, high / scale, int(times_us.max()) / scale)


def spread_of(values: NDArray[np.float64]) -> Spread:
    """Return the spread of plain numbers; the mean adds them up one after another."""
    if len(values) == 0:
        return Spread()
    mean = float(np.cumsum(values)[-1]) / len(values)
    return Spread(mean, *_percentiles(values), float(values.max()))


def _percentiles(values: NDArray[np.int64] | NDArray[np.float64]) -> tuple[float, float, float]:
    p50, p95, p99 = np.percentile(values, [50, 95, 99]).tolist()
    return p50, p95, p99
