"""Dealing rows to holders that differ in number and kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["deal"]

_PREFERENCE = 6.0
"""How many times more of its own classes a holder has, as compared with one of the same size."""
_LEAST = 3


def deal(labels: NDArray[np.int64], holders: int) -> list[NDArray[np.int64]]:
    """Return each holder's rows; the same in every call.

    The first holds most, the second half of that, the third a third; each has more of some classes
    than of others. Where there are too many holders for three rows each, several hold the same.

    Args:
        labels: of all rows, 0 … classes - 1.
        holders: at least 1.
    """
    apart = min(holders, len(labels) // (2 * _LEAST))
    counts = _count(np.bincount(labels), apart)
    order = np.random.default_rng(0).permutation(len(labels))
    of_class = [order[labels[order] == kind] for kind in range(counts.shape[1])]
    ends = counts.cumsum(axis=0)
    shares = [
        np.concatenate([rows[e - c : e] for rows, e, c in zip(of_class, end, count, strict=True)])
        for end, count in zip(ends, counts, strict=True)
    ]
    return [np.sort(shares[index % apart]) for index in range(holders)]


def _count(available: NDArray[np.int64], holders: int) -> NDArray[np.int64]:
    """Return how many rows of each class (columns) each holder (rows) gets; all rows are dealt."""
    classes = np.arange(len(available))
    groups = min(holders, len(available))
    own = classes[None] % groups == np.arange(holders)[:, None] % groups
    wish = np.where(own, _PREFERENCE, 1.0) / np.arange(1, holders + 1)[:, None]
    counts: NDArray[np.int64] = np.floor(wish / wish.sum(axis=0) * available).astype(np.int64)
    counts[0] += available - counts.sum(axis=0)
    for poor in range(holders):
        while counts[poor].sum() < _LEAST:
            rich, kind = np.unravel_index(counts.argmax(), counts.shape)
            counts[rich, kind] -= 1
            counts[poor, kind] += 1
    return counts
