"""What fleets on this machine do with an update before and after it is folded."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from fedloom.federation.fleet import Order
from fedloom.federation.weights import Array, Weights, measure_norm

__all__ = ["measure_difference", "store_weights", "subtract"]


def subtract(ended: Sequence[Array], start: Sequence[Array]) -> Weights:
    """Return what training changed; a diverged client's values may overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return [new - old for new, old in zip(ended, start, strict=True)]


def measure_difference(delta: Weights) -> float:
    """Return the L2 norm of a difference, infinite or NaN where its type cannot hold it."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(measure_norm(delta))


def store_weights(order: Order, client: int, weights: Weights) -> float:
    """Hand a client's weights to the order's sink, if there is one; return how long that took."""
    if order.sink is None:
        return 0.0
    began = perf_counter()
    order.sink(client, weights)
    return perf_counter() - began
