"""Counting into bins when neither the number of values nor their span is known beforehand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogHistogram", "TimeBins"]

Whole = NDArray[np.int64]


class TimeBins:
    """Counts over time, by kind, in at most `most` bins that widen as time goes on.

    Bins begin one second wide; when the last is passed, neighbours are joined and the width
    doubles. What is counted is exact, and memory does not grow.
    """

    def __init__(self, most: int = 240) -> None:
        self.width_us = 1_000_000
        self._most = most
        self._counts: dict[str, Whole] = {}

    def add(self, kind: str, time_us: Whole) -> None:
        """Count times since the start, of one kind."""
        if not len(time_us):
            return
        while int(time_us.max()) >= self.width_us * self._most:
            self._widen()
        counts = self._counts.setdefault(kind, np.zeros(self._most, np.int64))
        counts += np.bincount(time_us // self.width_us, minlength=self._most)

    def counts(self) -> dict[str, list[int]]:
        """Return the counts by kind, up to the last bin that holds anything."""
        used = [int(np.flatnonzero(counts)[-1]) + 1 for counts in self._counts.values()]
        return {kind: counts[: max(used)].tolist() for kind, counts in self._counts.items()}

    def _widen(self) -> None:
        self.width_us *= 2
        for kind, counts in self._counts.items():
            joined = np.zeros(self._most, np.int64)
            joined[: self._most // 2] = counts.reshape(-1, 2).sum(axis=1)
            self._counts[kind] = joined


class LogHistogram:
    """Counts in bins of equal ratio, ten to a decade, from `low` to `high`.

    What lies beyond is counted in the first or the last bin.
    """

    def __init__(self, low: float, high: float) -> None:
        decades = round(np.log10(high / low))
        self.edges = low * 10.0 ** (np.arange(10 * decades + 1) / 10)
        self.counts = np.zeros(10 * decades, np.int64)

    def add(self, values: NDArray[np.float64] | Whole) -> None:
        """Count values."""
        bins = np.searchsorted(self.edges, values, side="right") - 1
        self.counts += np.bincount(
            np.clip(bins, 0, len(self.counts) - 1), minlength=len(self.counts)
        )

    def used(self) -> tuple[list[float], list[int]]:
        """Return edges and counts from the first to the last bin that holds anything."""
        filled = np.flatnonzero(self.counts)
        if not len(filled):
            return [], []
        first, last = int(filled[0]), int(filled[-1])
        return self.edges[first : last + 2].tolist(), self.counts[first : last + 1].tolist()
