"""Krum, multi-Krum and Bulyan: reducers that look for the updates with the nearest neighbours.

All of them assume that at most f = `num_byzantine` clients of a round lie, ignore `num_examples`
(a liar would claim many), and keep all updates of the round (see
`fedloom.federation.reduce.kept` for the memory).

Where too few updates arrive for f, f is lowered to the largest number they allow, with a warning
in the log: a round that lost honest clients should still go on, but its protection is weaker.
Where updates tie, the one that comes first in the order of their content is taken, so the result
does not depend on the order of arrival.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.federation.reduce.distances import squared_distances
from fedloom.federation.reduce.kept import keep_updates, middle_of, mix_updates, reduce_columns
from fedloom.federation.reduce.protocol import Reducer, Update
from fedloom.federation.weights import Weights

__all__ = ["bulyan", "krum", "multi_krum"]

_LOG = logging.getLogger(__name__)


def krum(num_byzantine: int) -> Reducer:
    """Return the one update with the least sum of squared distances to its n − f − 2 nearest.

    Args:
        num_byzantine: f; the proof needs n ≥ 2f + 3 updates.

    Reference: Blanchard et al., Machine Learning with Adversaries: Byzantine Tolerant Gradient
    Descent, NeurIPS 2017, section 4.
    """
    return keep_updates("krum", partial(_multi_krum, num_byzantine, 1))


def multi_krum(num_byzantine: int, num_selected: int = 0) -> Reducer:
    """Return the uniform mean of the updates with the best Krum scores.

    Args:
        num_byzantine: f; the proof needs n ≥ 2f + 3 updates.
        num_selected: how many updates are averaged; 0 and anything above n − f − 2 mean
            n − f − 2, the most of which the scores vouch for.

    Reference: Blanchard et al. (as `krum`), section 6.
    """
    return keep_updates("multi_krum", partial(_multi_krum, num_byzantine, num_selected))


def bulyan(num_byzantine: int) -> Reducer:
    """Return, in each coordinate, the mean of the values nearest to the median of chosen updates.

    Krum chooses one update after the other until it has θ = n − 2f; of their values in a
    coordinate, the θ − 2f that are nearest to their median are averaged.

    Args:
        num_byzantine: f; the proof needs n ≥ 4f + 3 updates.

    Reference: El Mhamdi, Guerraoui and Rouault, The Hidden Vulnerability of Distributed Learning in
    Byzantium, ICML 2018, section 4.
    """
    return keep_updates("bulyan", partial(_bulyan, num_byzantine))


def _multi_krum(num_byzantine: int, num_selected: int, updates: list[Update]) -> Weights:
    lying = _lower(num_byzantine, updates, liars_cost=2)
    safe = max(1, len(updates) - lying - 2)
    scores = _scores(squared_distances(updates), lying)
    best = np.argsort(scores, kind="stable")[: min(num_selected or safe, safe)]
    return mix_updates([updates[i] for i in sorted(best)], np.full(len(best), 1 / len(best)))


def _bulyan(num_byzantine: int, updates: list[Update]) -> Weights:
    lying = _lower(num_byzantine, updates, liars_cost=4)
    chosen = _choose_by_krum(squared_distances(updates), lying, len(updates) - 2 * lying)
    rule = partial(_mean_near_median, len(chosen) - 2 * lying)
    return reduce_columns([updates[i] for i in chosen], rule)


def _lower(num_byzantine: int, updates: list[Update], *, liars_cost: int) -> int:
    """Return the f for which n ≥ cost × f + 3 holds, at most the one asked for."""
    allowed = max(0, (len(updates) - 3) // liars_cost)
    if allowed < num_byzantine:
        _LOG.warning(
            "%d updates arrived: protected against %d lying clients instead of %d",
            len(updates),
            allowed,
            num_byzantine,
        )
    return min(num_byzantine, allowed)


def _scores(squares: NDArray[np.float64], num_byzantine: int) -> NDArray[np.float64]:
    """Return each update's sum of squared distances to its nearest n − f − 2 others."""
    count = len(squares)
    others = squares[~np.eye(count, dtype=bool)].reshape(count, count - 1)
    nearest = np.sort(others, axis=1)[:, : max(1, count - num_byzantine - 2)]
    result: NDArray[np.float64] = nearest.sum(axis=1)
    return result


def _choose_by_krum(squares: NDArray[np.float64], num_byzantine: int, num_chosen: int) -> list[int]:
    """Return the indices that Krum takes one after the other out of those left, ascending."""
    left = np.arange(len(squares))
    chosen = []
    for _ in range(num_chosen):
        best = int(np.argmin(_scores(squares[np.ix_(left, left)], num_byzantine)))
        chosen.append(int(left[best]))
        left = np.delete(left, best)
    return sorted(chosen)


def _mean_near_median(keep: int, values: NDArray[Any]) -> NDArray[Any]:
    """Return the mean of the `keep` values nearest to the median; values (coordinates, updates).

    In sorted order the nearest values stand beside each other: of the possible windows, take the
    one whose farther end is nearest, the lower one where two are as near.
    """
    ordered = np.sort(values, axis=1)
    middle = middle_of(ordered)[:, None]
    starts = ordered.shape[1] - keep + 1
    reach = np.maximum(middle - ordered[:, :starts], ordered[:, keep - 1 :] - middle)
    window = np.argmin(reach, axis=1)[:, None] + np.arange(keep)
    result: NDArray[Any] = np.take_along_axis(ordered, window, axis=1).mean(axis=1)
    return result
