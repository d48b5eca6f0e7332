"""Max pools as the maximum of shifted slices, with a gradient that needs no search.

XLA's gradient of a max pool looks for the winner of every window again, in generic code. Here the
forward pass notes the winner's place in its window (one byte per output), and the gradient goes
there. As with XLA, the first of equal values wins.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, reduce
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import JaxprEqn

__all__ = ["Pool", "max_pool", "max_pool_replacement"]

# Windows with more values than this are left to XLA: each costs a slice to compile.
MOST_VALUES = 49


@dataclass(frozen=True)
class Pool:
    """A pool's numbers, one entry for each axis of the array, those of batch and channels too.

    Attributes:
        shape: of the array that is pooled.
        window: extent of each window.
        strides: steps of the window.
        padding: places before and after that never win; negative numbers crop.
    """

    shape: tuple[int, ...]
    window: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]

    def offsets(self) -> Iterator[tuple[int, ...]]:
        """Yield the places in a window, the last axis fastest."""
        return product(*map(range, self.window))


def max_pool_replacement(equation: JaxprEqn) -> Callable[[jax.Array], jax.Array] | None:
    """Return what computes a ``reduce_window_max`` equation, or None to leave it as it is."""
    params = equation.params
    x: Any = equation.invars[0].aval
    y: Any = equation.outvars[0].aval
    pool = Pool(
        shape=tuple(x.shape),
        window=tuple(params["window_dimensions"]),
        strides=tuple(params["window_strides"]),
        padding=tuple((int(low), int(high)) for low, high in params["padding"]),
    )
    if (
        max((*params["base_dilation"], *params["window_dilation"]), default=1) > 1
        or math.prod(pool.window) > MOST_VALUES
        or not jnp.issubdtype(x.dtype, jnp.floating)
        or 0 in (*x.shape, *y.shape)
    ):
        return None
    return partial(max_pool, pool)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def max_pool(pool: Pool, x: jax.Array) -> jax.Array:
    """Return the maximum of each window of ``x``; padding never wins."""
    return reduce(jnp.maximum, _slices(pool, x))


def _forward(pool: Pool, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    largest = max_pool(pool, x)
    slices = _slices(pool, x)
    winner = jnp.full(largest.shape, len(slices) - 1, jnp.int8)
    for place in reversed(range(len(slices) - 1)):
        # Not "equal": that would lose the gradient of a window that holds NaN.
        winner = jnp.where(slices[place] < largest, winner, jnp.int8(place))
    return largest, winner


def _backward(pool: Pool, winner: jax.Array, gradient: jax.Array) -> tuple[jax.Array]:
    spread = _spread_tiles if pool.window == pool.strides else _spread_overlapping
    return (spread(pool, winner, gradient),)


max_pool.defvjp(_forward, _backward)


def _slices(pool: Pool, x: jax.Array) -> list[jax.Array]:
    """Return, for each place in a window, the values that all windows have there."""
    lowest = jnp.asarray(-jnp.inf, x.dtype)
    padded = lax.pad(x, lowest, [(low, high, 0) for low, high in pool.padding])
    sizes = [
        (size - taps) // stride + 1
        for size, taps, stride in zip(padded.shape, pool.window, pool.strides, strict=True)
    ]
    return [
        padded[
            tuple(
                slice(start, start + (size - 1) * stride + 1, stride)
                for start, size, stride in zip(offset, sizes, pool.strides, strict=True)
            )
        ]
        for offset in pool.offsets()
    ]


def _spread_tiles(pool: Pool, winner: jax.Array, gradient: jax.Array) -> jax.Array:
    """Windows that do not overlap: lay each one out and write the gradient at its winner."""
    places = jnp.arange(math.prod(pool.window), dtype=jnp.int8).reshape(
        [extent for taps in pool.window for extent in (1, taps)]
    )
    behind = range(1, 2 * gradient.ndim, 2)
    tiles = jnp.where(
        places == jnp.expand_dims(winner, behind),
        jnp.expand_dims(gradient, behind),
        jnp.zeros((), gradient.dtype),
    )
    covered = tiles.reshape(
        [size * taps for size, taps in zip(gradient.shape, pool.window, strict=True)]
    )
    edges = [
        (-low, size + low - done, 0)
        for (low, _), size, done in zip(pool.padding, pool.shape, covered.shape, strict=True)
    ]
    return lax.pad(covered, jnp.zeros((), gradient.dtype), edges)


def _spread_overlapping(pool: Pool, winner: jax.Array, gradient: jax.Array) -> jax.Array:
    """Windows that overlap: add up, for each place, the gradients of the windows won there."""
    zero = jnp.zeros((), gradient.dtype)
    total = zero
    for place, offset in enumerate(pool.offsets()):
        edges = [
            (start - low, low + size - start - (count - 1) * stride - 1, stride - 1)
            for start, (low, _), size, count, stride in zip(
                offset, pool.padding, pool.shape, gradient.shape, pool.strides, strict=True
            )
        ]
        total += lax.pad(jnp.where(winner == place, gradient, zero), zero, edges)
    return total
