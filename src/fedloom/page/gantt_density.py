"""How busy each row was over time: what a chart shows that has too many bars to show each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.page.gantt_shape import Chart

__all__ = ["density"]

CELLS = 1_500_000
"""Rows × bins of one chart, at most."""

BINS = (100, 2_000)
"""The fewest and the most bins of time."""


def density(chart: Chart, rows: int) -> tuple[int, NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the share of time that each row executed and switched, in equal bins of time.

    Args:
        chart: the bars; those of one row do not overlap.
        rows: how many rows there are.

    Returns:
        The number of bins from 0 to the end of the last bar; and for rows × bins, row by row, 255
        times the share in execution, and in switches.
    """
    bins = int(np.clip(CELLS // max(1, rows), *BINS))
    edges = np.linspace(0, max(1, int(chart.end_us.max(initial=1))), bins + 1)
    order = np.lexsort((chart.start_us, chart.row))
    first = np.searchsorted(chart.row[order], np.arange(rows + 1))
    run, switch = np.zeros((2, rows, bins), dtype=np.uint8)
    for row in range(rows):
        bars = order[first[row] : first[row + 1]]
        start, end = chart.start_us[bars], chart.end_us[bars]
        between = start + chart.switch_us[bars]
        run[row] = _shares(between, end, edges)
        switch[row] = _shares(start, between, edges)
    return bins, run.ravel(), switch.ravel()


def _shares(
    start: NDArray[np.int64], end: NDArray[np.int64], edges: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """255 times the share of each bin that lies in one of the intervals, rounded up."""
    if not len(start):
        return np.zeros(len(edges) - 1, dtype=np.uint8)
    times = np.maximum.accumulate(np.column_stack((start, end)).ravel()).astype(np.float64)
    busy = np.repeat(np.cumsum(end - start), 2)
    busy[::2] -= end - start
    share = np.diff(np.interp(edges, times, busy.astype(np.float64))) / np.diff(edges)
    return np.ceil(255 * np.clip(share, 0, 1) - 1e-9).astype(np.uint8)
