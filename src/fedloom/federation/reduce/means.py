"""Means: reducers whose state is one sum, however many clients there are.

Everything that touches an array is one of its operators or methods, so the same functions fold
NumPy arrays on a server and tracers inside a compiled round. The casts are there because NumPy
widens float32 × int64 to float64 and JAX does not.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from fedloom.federation.reduce.protocol import Reducer, Update
from fedloom.federation.weights import Array, Weights, measure_norm

__all__ = ["clipped_sum", "mean_by_examples", "uniform_mean"]

_BLOCK_VALUES = 1 << 18
"""Values that are folded at a time where that needs memory: few enough for a processor's cache."""

_Sum: TypeAlias = tuple[Weights, Array]
"""The weighted sum of differences, and the sum of their weights (float32)."""


def mean_by_examples() -> Reducer:
    """Return the mean of the differences weighted by `num_examples`, as in FedAvg.

    State: one array per array of the model, in its dtype, and one float32.

    Reference: McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized
    Data, AISTATS 2017.

    Example:
        >>> import numpy as np
        >>> reducer = mean_by_examples()
        >>> state = reducer.init([np.zeros(1)])
        >>> state = reducer.add(state, Update([np.array([1.0])], 1))
        >>> state = reducer.add(state, Update([np.array([5.0])], 3))
        >>> reducer.finish(state)
        [array([4.])]
    """
    return _weighted_mean("mean_by_examples", _count_examples)


def uniform_mean() -> Reducer:
    """Return the mean in which every client weighs the same, whatever it holds.

    State: as for `mean_by_examples`.
    """
    return _weighted_mean("uniform_mean", _count_one)


def clipped_sum(clip_norm: float, expected_cohort: float) -> Reducer:
    """Return the sum of clipped differences over a fixed number of clients.

    Each difference is scaled down to an L2 norm of at most `clip_norm` over all arrays together.
    All clients weigh the same, and the divisor does not depend on who took part: adding or
    removing one client changes the result by at most ``clip_norm / expected_cohort``, which is the
    sensitivity that the noise of `fedloom.federation.privacy` covers.

    State: one array per array of the model.

    Args:
        clip_norm: the bound, positive.
        expected_cohort: clients expected in a round (sampling rate × clients), positive.

    Reference: McMahan et al., Learning Differentially Private Recurrent Language Models, ICLR 2018,
    Algorithm 1 (estimator with a fixed denominator).
    """
    return Reducer(
        name="clipped_sum",
        init=_zeros,
        add=partial(_add_clipped, clip_norm),
        merge=_join,
        finish=partial(_divide, expected_cohort),
        keeps_updates=False,
    )


def _weighted_mean(name: str, weigh: Callable[[Update], Array]) -> Reducer:
    return Reducer(
        name=name,
        init=_begin,
        add=partial(_add_weighted, weigh),
        merge=_merge_sums,
        finish=_finish_mean,
        keeps_updates=False,
        consume=partial(_consume_weighted, weigh),
        settle=_settle_mean,
    )


def _count_examples(update: Update) -> Array:
    return update.num_examples


def _count_one(update: Update) -> Array:  # noqa: ARG001 - one of two ways to weigh an update
    return 1


def _zeros(weights: Weights) -> Weights:
    # w < w is False even where w is NaN or infinite; w * 0 would not be zero there.
    return [(w < w).astype(w.dtype) for w in weights]


def _begin(weights: Weights) -> _Sum:
    nothing = (weights[0] < weights[0]).any().astype("float32")
    return _zeros(weights), nothing


def _add_weighted(weigh: Callable[[Update], Array], state: _Sum, update: Update) -> _Sum:
    sums, total = state
    weight = weigh(update)
    grown = [s + (d * weight).astype(s.dtype) for s, d in zip(sums, update.delta, strict=True)]
    return grown, (total + weight).astype("float32")


def _consume_weighted(weigh: Callable[[Update], Array], state: _Sum, update: Update) -> _Sum:
    sums, total = state
    weight = weigh(update)
    grown = [_grow(s, d, weight) for s, d in zip(sums, update.delta, strict=True)]
    return grown, (total + weight).astype("float32")


def _grow(held: Array, delta: Array, weight: Array) -> Array:
    """Return ``held + delta * weight``, in place and in blocks where the memory is one piece."""
    if held.ndim == 0 or not held.flags.c_contiguous:
        return held + (delta * weight).astype(held.dtype)
    flat, change = held.reshape(-1), delta.reshape(-1)
    for start in range(0, len(flat), _BLOCK_VALUES):
        block = flat[start : start + _BLOCK_VALUES]
        block += (change[start : start + _BLOCK_VALUES] * weight).astype(held.dtype)
    return held


def _merge_sums(left: _Sum, right: _Sum) -> _Sum:
    return _join(left[0], right[0]), left[1] + right[1]


def _finish_mean(state: _Sum) -> Weights:
    sums, total = state
    # Without any update the sums are zero; dividing them by one instead of zero keeps them so.
    return _divide(total + (total == 0), sums)


def _settle_mean(state: _Sum) -> Weights:
    sums, total = state
    for index, held in enumerate(sums):
        sums[index] = _shrink(held, total + (total == 0))
    return sums


def _shrink(held: Array, divisor: Array) -> Array:
    """Return ``held / divisor``, in place and in blocks where the memory is one piece and ours."""
    flags = getattr(held, "flags", None)
    if flags is None or not (held.ndim and flags.c_contiguous and flags.writeable):
        return (held / divisor).astype(held.dtype)
    flat = held.reshape(-1)
    for start in range(0, len(flat), _BLOCK_VALUES):
        block = flat[start : start + _BLOCK_VALUES]
        block[:] = (block / divisor).astype(held.dtype)
    return held


def _add_clipped(clip_norm: float, state: Weights, update: Update) -> Weights:
    factor = clip_norm / measure_norm(update.delta).clip(clip_norm)
    return [s + (d * factor).astype(s.dtype) for s, d in zip(state, update.delta, strict=True)]


def _join(left: Weights, right: Weights) -> Weights:
    return [a + b for a, b in zip(left, right, strict=True)]


def _divide(divisor: Array, sums: Weights) -> Weights:
    return [(s / divisor).astype(s.dtype) for s in sums]
