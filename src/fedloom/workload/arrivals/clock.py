"""The clock of arrivals: from sums of gaps to times, through the inverse of the integrated rate.

If arrivals with gaps of mean 1 come at S₁, S₂, …, then those at Λ⁻¹(S₁), Λ⁻¹(S₂), … come at the
rate λ(t), where Λ(t) is its integral from 0 to t (Çinlar, Introduction to Stochastic Processes,
1975, §4.7; for other than Poisson gaps: Gerhardt and Nelson, INFORMS J. Computing 21(4), 2009).
No arrival is drawn and thrown away, so the same gaps give the same arrivals whatever the rate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.arrivals.pieces import FAR_US, Pieces

__all__ = ["RateClock", "integrate_rate"]

Real = NDArray[np.float64]


class RateClock:
    """Turns integrals of the rate into the times at which they are reached.

    Only additions, multiplications, divisions and square roots take part, which IEEE 754
    defines to the last digit.

    Args:
        pieces: the rate from time 0 on.

    Example:
        >>> pieces = Pieces(np.array([0, 10, 20]), np.array([1.0, 2.0]), np.array([1.0, 2.0]))
        >>> RateClock(iter([pieces])).times_us(np.array([5.0, 14.0])).tolist()
        [5.0, 12.0]
    """

    def __init__(self, pieces: Iterator[Pieces]) -> None:
        self._pieces = pieces
        self._current = Pieces(np.zeros(1, np.int64), np.empty(0), np.empty(0))
        self._reached = np.zeros(1)

    def times_us(self, integrals: Real) -> Real:
        """Return when the integral of the rate reaches each of the given values.

        Args:
            integrals: ascending, and not below those of earlier calls; microseconds at the
                average rate.

        Returns:
            Times in microseconds; `FAR_US` for what is never reached.
        """
        parts = []
        while len(integrals):
            inside = int(np.searchsorted(integrals, self._reached[-1]))
            parts.append(_invert(self._current, self._reached, integrals[:inside]))
            integrals = integrals[inside:]
            if len(integrals) and not self._go_on():
                parts.append(np.full(len(integrals), float(FAR_US)))
                break
        return np.concatenate(parts) if parts else np.empty(0)

    def _go_on(self) -> bool:
        pieces = next(self._pieces, None)
        if pieces is None:
            return False
        self._current, self._reached = pieces, _reach(self._reached[-1], pieces)
        return True


def _reach(before: float, pieces: Pieces) -> Real:
    """Return the integral of the rate up to each edge; added one by one, so blocks do not show."""
    return np.cumsum(np.concatenate([[before], pieces.masses()]))


def _invert(pieces: Pieces, reached: Real, integrals: Real) -> Real:
    """Return the times of integrals that are reached within the pieces.

    In a piece of length L the rate is a + (b − a)·x/L; a·x + (b − a)/(2L)·x² = m gives
    x = 2m / (a + √(a² + 2·(b − a)/L·m)), which holds for level pieces too.
    """
    piece = np.searchsorted(reached, integrals, side="right") - 1
    begin, left = pieces.begin[piece], integrals - reached[piece]
    length = np.diff(pieces.edges_us)[piece].astype(np.float64)
    slope = (pieces.end[piece] - begin) / length
    below = begin + np.sqrt(np.maximum(begin * begin + 2 * slope * left, 0))
    along = np.divide(2 * left, below, out=np.zeros(len(left)), where=below > 0)
    return pieces.edges_us[piece].astype(np.float64) + np.minimum(along, length)


def integrate_rate(pieces: Iterator[Pieces], until_us: int) -> float:
    """Return the integral of the rate from 0 to `until_us`, in microseconds at the average rate.

    Example:
        >>> integrate_rate(iter([Pieces(np.array([0, 10]), np.array([0.0]), np.array([1.0]))]), 4)
        0.8
    """
    reached = 0.0
    for block in pieces:
        cut = block.cut([until_us])
        wanted = int(np.searchsorted(cut.edges_us, until_us))
        reached = float(_reach(reached, cut)[wanted if wanted < len(cut.edges_us) else -1])
        if cut.edges_us[-1] >= until_us:
            break
    return reached
