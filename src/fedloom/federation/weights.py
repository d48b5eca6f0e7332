"""Weights: a model's parameters as an ordered list of arrays, and what is computed over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Array", "Weights", "count_bytes", "find_fault", "find_mismatch", "measure_norm"]

Array: TypeAlias = Any
"""A NumPy array, or a JAX array or tracer: what plain array operators work on."""

Weights: TypeAlias = list[Array]
"""A model's parameters in the order of the model; an update's difference has the same shape."""


def measure_norm(weights: Sequence[Array]) -> Array:
    """Return the L2 norm over all arrays together; works inside a JAX trace too."""
    return sum((w * w).sum() for w in weights) ** 0.5


def count_bytes(weights: Sequence[Array]) -> int:
    """Return the size of the weights on the wire, without any framing."""
    return sum(int(np.prod(w.shape)) * w.dtype.itemsize for w in weights)


def find_fault(weights: Sequence[Array], like: Sequence[Array]) -> str | None:
    """Return why `weights` cannot stand for the model of `like`, or None if they can.

    They must match in count, shape and dtype, and be finite.
    """
    mismatch = find_mismatch(weights, like)
    if mismatch is not None:
        return mismatch
    for index, given in enumerate(weights):
        if not np.isfinite(given).all():
            return f"array {index} is not finite"
    return None


def find_mismatch(weights: Sequence[Array], like: Sequence[Array]) -> str | None:
    """Return where `weights` differ from `like` in count, shape or dtype, or None."""
    if len(weights) != len(like):
        return f"{len(weights)} arrays instead of {len(like)}"
    for index, (given, expected) in enumerate(zip(weights, like, strict=True)):
        if given.shape != expected.shape:
            return f"array {index} has shape {given.shape} instead of {expected.shape}"
        if given.dtype != expected.dtype:
            return f"array {index} has dtype {given.dtype} instead of {expected.dtype}"
    return None
