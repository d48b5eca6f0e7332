"""Pieces of a rate: stretches of time in each of which the rate moves along a straight line.

Every shape of a rate is a stream of them, so that a rate that changes a million times needs no
more memory than one that never does. Edges are whole microseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAR_US", "Pieces", "lay_over"]

Real = NDArray[np.float64]
Whole = NDArray[np.int64]

FAR_US = 2**53
"""The end of all rates (285 years): the last whole number up to which floats count exactly."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Consecutive stretches of a rate; n of them, some perhaps of length 0.

    Attributes:
        edges_us: [n + 1] where they begin, and where the last one ends; ascending.
        begin: [n] the rate at the beginning of each, as a factor of the average rate.
        end: [n] the rate at its end.
    """

    edges_us: Whole
    begin: Real
    end: Real

    def masses(self) -> Real:
        """Return the integral of the rate over each piece: microseconds at the average rate."""
        with np.errstate(over="ignore", invalid="ignore"):
            return (self.begin + self.end) / 2 * np.diff(self.edges_us)

    def rates(self, piece: Whole, time_us: Whole) -> Real:
        """Return the rate at times that lie in, or at an edge of, the given pieces."""
        length = self.edges_us[piece + 1] - self.edges_us[piece]
        along = (time_us - self.edges_us[piece]) / length
        with np.errstate(over="ignore", invalid="ignore"):
            return self.begin[piece] + (self.end[piece] - self.begin[piece]) * along

    def cut(self, at_us: Sequence[int]) -> Pieces:
        """Return the same rate with edges at the given times too, and no piece of length 0."""
        first, last = self.edges_us[0], self.edges_us[-1]
        inside = np.array([at for at in at_us if first < at < last], dtype=np.int64)
        edges = np.unique(np.concatenate([self.edges_us, inside]))
        piece = np.searchsorted(self.edges_us, edges[:-1], side="right") - 1
        return Pieces(edges, self.rates(piece, edges[:-1]), self.rates(piece, edges[1:]))

    def since(self, start_us: int) -> Pieces:
        """Return what there is from `start_us` on."""
        whole = self.cut([start_us])
        first = int(np.searchsorted(whole.edges_us, start_us))
        return Pieces(whole.edges_us[first:], whole.begin[first:], whole.end[first:])


def lay_over(pieces: Pieces, spikes: Sequence[tuple[int, int, float]]) -> Pieces:
    """Return the pieces with the rate multiplied during spikes; those that overlap multiply.

    Args:
        pieces: the rate without spikes.
        spikes: (begin, end, factor), microseconds.
    """
    begin, end = pieces.edges_us[0], pieces.edges_us[-1]
    near = [spike for spike in spikes if spike[0] < end and spike[1] > begin]
    if not near:
        return pieces
    cut = pieces.cut([edge for spike in near for edge in spike[:2]])
    factor = np.ones(len(cut.begin))
    starts = cut.edges_us[:-1]
    with np.errstate(over="ignore"):
        for start, stop, times in near:
            factor[(starts >= start) & (starts < stop)] *= times
        return Pieces(cut.edges_us, cut.begin * factor, cut.end * factor)
