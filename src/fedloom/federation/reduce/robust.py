"""Robust reducers that weigh coordinates or whole updates: medians and the trimmed mean.

They keep all updates of a round (see `fedloom.federation.reduce.kept` for the memory).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.federation.reduce.distances import gram_matrix
from fedloom.federation.reduce.kept import keep_updates, middle_of, mix_updates, reduce_columns
from fedloom.federation.reduce.protocol import Reducer, Update
from fedloom.federation.weights import Weights

__all__ = ["geometric_median", "median", "trimmed_mean"]

_SMOOTHING = 1e-6
_MAX_ITERATIONS = 10_000  # slow where the median lies beside an update; a step is n² products
_TOLERANCE = 1e-9


def median() -> Reducer:
    """Return the median of each coordinate; `num_examples` is not looked at.

    Right as long as fewer than half of the clients lie.

    Reference: Yin et al., Byzantine-Robust Distributed Learning: Towards Optimal Statistical Rates,
    ICML 2018, Definition 1.
    """
    return keep_updates("median", partial(reduce_columns, rule=_median))


def trimmed_mean(trim_fraction: float) -> Reducer:
    """Return the mean of each coordinate without its smallest and its largest values.

    Of n updates, floor(trim_fraction × n) are cut at either end; at least one remains.
    `num_examples` is not looked at.

    Args:
        trim_fraction: at least 0 and less than 0.5; no smaller than the share of clients that
            may lie.

    Reference: Yin et al. (as `median`), Definition 2.
    """
    rule = partial(_trimmed_mean, trim_fraction)
    return keep_updates("trimmed_mean", partial(reduce_columns, rule=rule))


def geometric_median() -> Reducer:
    """Return the point with the least sum of distances to the updates, weighted by examples.

    Found by Weiszfeld's iteration, smoothed so that it may land on an update: distances below
    1e-6 count as 1e-6. All iterates are mixtures of the updates, so the iteration needs only
    their n × n inner products, and the updates are read twice however often it steps. It is right
    as long as clients that lie claim less than half of the examples.

    Reference: Pillutla, Kakade and Harchaoui, Robust Aggregation for Federated Learning, IEEE
    Transactions on Signal Processing 2022, Algorithm 2.
    """
    return keep_updates("geometric_median", _geometric_median)


def _median(values: NDArray[Any]) -> NDArray[Any]:
    return middle_of(np.sort(values, axis=1))


def _trimmed_mean(trim_fraction: float, values: NDArray[Any]) -> NDArray[Any]:
    count = values.shape[1]
    cut = int(round(trim_fraction * count, 9))  # 0.29 × 100 is 28.999…: cut 29 there
    cut = min(cut, (count - 1) // 2)
    result: NDArray[Any] = np.sort(values, axis=1)[:, cut : count - cut].mean(axis=1)
    return result


def _geometric_median(updates: list[Update]) -> Weights:
    gram = gram_matrix(updates)
    measured = np.flatnonzero(np.isfinite(np.diag(gram)))
    if not measured.size:
        return [np.zeros_like(np.asarray(array)) for array in updates[0].delta]
    kept = [updates[i] for i in measured]
    masses = np.array([float(update.num_examples) for update in kept])
    return mix_updates(kept, _weiszfeld(gram[np.ix_(measured, measured)], masses / masses.sum()))


def _weiszfeld(gram: NDArray[np.float64], masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shares of the updates in their geometric median.

    Args:
        gram: inner products of the updates.
        masses: weights of the updates, positive, with sum 1.
    """
    shares = masses
    for _ in range(_MAX_ITERATIONS):
        distances = _distances_to_mixture(gram, shares)
        pulls = masses / np.maximum(distances, _SMOOTHING)
        step = pulls / pulls.sum() - shares
        shares = shares + step
        moved = np.sqrt(max(0.0, float(step @ gram @ step)))
        if moved <= _TOLERANCE * max(_SMOOTHING, float(np.median(distances))):
            break
    return shares


def _distances_to_mixture(
    gram: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ‖xᵢ − Σ shareⱼ xⱼ‖ for all i."""
    products = gram @ shares
    squares = np.diag(gram) - 2 * products + shares @ products
    result: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0.0))
    return result
