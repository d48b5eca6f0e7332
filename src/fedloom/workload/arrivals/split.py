"""One number of requests shared out among several streams of arrivals."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fedloom.errors import InputError
from fedloom.randomness import derive_generator

__all__ = ["split_count"]


def split_count(count: int, weights: Sequence[float], seed: int, key: str) -> list[int]:
    """Return how many of `count` requests fall to each weight: a multinomial draw.

    Raises:
        InputError: a weight is negative or no number, all are 0, or the count is negative.

    Example:
        >>> split_count(10, [1.0, 0.0], 42, "")
        [10, 0]
    """
    if count < 0:
        raise InputError(f"the number of requests is {count}; give at least 0")
    for weight in weights:
        if not 0 <= weight < math.inf:
            raise InputError(f"a weight is {weight}; give a number of at least 0")
    chosen = [i for i, weight in enumerate(weights) if weight > 0]
    if not chosen:
        raise InputError("all weights are 0; give at least one above 0")
    largest = max(weights)
    parts = [weights[i] / largest for i in chosen]
    shares = [part / math.fsum(parts) for part in parts]
    drawn = derive_generator(seed, "arrivals-split", key).multinomial(count, shares)
    split = [0] * len(weights)
    for i, number in zip(chosen, drawn.tolist(), strict=True):
        split[i] = number
    return split
