"""The gaps between arrivals: their mean, their variation, and how they are distributed."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.statistics.histograms import LogHistogram
from fedloom.workload.units import MICROSECONDS, format_time, to_seconds

__all__ = ["Gaps"]


class Gaps:
    """The gaps between arrivals that come in order, in arrays of any length.

    An arrival that is earlier than the one before it counts as coming with it.

    Attributes:
        count: arrivals so far.
        first_us: the first arrival, microseconds since 1970.
        last_us: the latest one.
        histogram: of the gaps, in seconds.
    """

    def __init__(self) -> None:
        self.count = 0
        self.first_us = self.last_us = 0
        self.histogram = LogHistogram(1e-6, 1e6)
        self._squares = 0.0

    def add(self, time_us: NDArray[np.int64]) -> None:
        """Take in arrivals, microseconds since 1970."""
        if not len(time_us):
            return
        before = int(time_us[0]) if self.count == 0 else self.last_us
        in_order = np.maximum.accumulate(np.maximum(time_us, before))
        gaps = np.diff(in_order, prepend=before)[self.count == 0 :]
        if self.count == 0:
            self.first_us = before
        self.last_us = int(in_order[-1])
        self.count += len(time_us)
        seconds = gaps / MICROSECONDS
        self.histogram.add(seconds)
        # One after the other: a pairwise sum depends on the processor.
        self._squares = float(np.cumsum(np.append(self._squares, seconds * seconds))[-1])

    @property
    def span_s(self) -> float:
        """Seconds from the first arrival to the last."""
        return to_seconds(self.last_us - self.first_us)

    @property
    def mean_s(self) -> float | None:
        """Mean gap in seconds; None with fewer than two arrivals."""
        return self.span_s / (self.count - 1) if self.count > 1 else None

    @property
    def cv(self) -> float | None:
        """Coefficient of variation of the gaps; None where there is no mean above 0."""
        if not self.mean_s:
            return None
        variance = max(0.0, self._squares / (self.count - 1) - self.mean_s**2)
        return sqrt(variance) / self.mean_s

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for a file, rounded to nine decimals."""
        known = self.count > 0
        return {
            "first": format_time(self.first_us) if known else None,
            "last": format_time(self.last_us) if known else None,
            "span_seconds": self.span_s,
            "mean_gap_seconds": _rounded(self.mean_s),
            "gap_cv": _rounded(self.cv),
            "rate_per_second": _rounded(1 / self.mean_s if self.mean_s else None),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
