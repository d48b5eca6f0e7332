"""Rewritten max pools against JAX's own: the same maximum, the same winner."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from fedloom.learning.rewrite import rewrite_for_loops

from .rewrite_checks import assert_close, assert_rewritten_alike, normal


def pool(window: Any, strides: Any, padding: Any = "VALID", **more: Any) -> Any:
    return lambda x: lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding, **more)


def test_winner_by_hand() -> None:
    x = jnp.asarray([[1.0, 5.0, 2.0, 2.0], [0.0, 5.0, 2.0, 3.0]])
    function = pool((2, 2), (2, 2))
    rewritten = rewrite_for_loops(function, x)
    y, backward = jax.vjp(rewritten, x)
    assert y.tolist() == [[5.0, 3.0]]
    # The first of the two fives wins, as in XLA; the whole gradient goes to it.
    assert backward(jnp.asarray([[7.0, 9.0]]))[0].tolist() == [[0, 7, 0, 0], [0, 0, 0, 9]]


@pytest.mark.parametrize(
    ("window", "strides", "padding"),
    [
        ((1, 2, 2, 1), (1, 2, 2, 1), "VALID"),
        ((1, 3, 3, 1), (1, 3, 3, 1), "VALID"),
        ((1, 3, 3, 1), (1, 3, 3, 1), "SAME"),
        ((1, 3, 3, 1), (1, 2, 2, 1), "SAME"),
        ((1, 3, 2, 1), (1, 1, 1, 1), "SAME"),
        ((1, 2, 2, 1), (1, 3, 3, 1), "VALID"),
        ((1, 7, 7, 1), (1, 7, 7, 1), "VALID"),
        ((2, 1, 1, 3), (2, 1, 1, 1), "VALID"),
        ((1, 2, 2, 1), (1, 2, 2, 1), ((0, 0), (1, 0), (0, 2), (0, 0))),
    ],
    ids=str,
)
def test_every_kind_of_pool(window: Any, strides: Any, padding: Any) -> None:
    with_ties = jnp.round(2 * normal(2, 8, 7, 3))
    assert_rewritten_alike(pool(window, strides, padding), with_ties)


def test_one_axis_of_space_and_half_precision() -> None:
    assert_rewritten_alike(pool((1, 2, 1), (1, 2, 1)), normal(2, 9, 3, dtype=jnp.bfloat16))


def test_gradient_of_a_window_with_nan_is_not_lost() -> None:
    x = jnp.asarray([jnp.nan, 1.0, 2.0, 3.0])
    rewritten = rewrite_for_loops(pool((2,), (2,)), x)
    gradient = jax.grad(lambda x: rewritten(x).sum())(x)
    assert float(gradient[:2].sum()) == 1.0
    assert gradient[2:].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (pool((8, 8), (8, 8)), normal(16, 16)),
        (pool((2,), (2,), window_dilation=(2,)), normal(9)),
        (pool((2,), (2,), base_dilation=(2,)), normal(9)),
        (pool((2,), (2,)), normal(0)),
        (
            lambda x: lax.reduce_window(x, jnp.iinfo(jnp.int32).min, lax.max, (2,), (2,), "VALID"),
            jnp.arange(4, dtype=jnp.int32),
        ),
        (lambda x: lax.reduce_window(x, 0.0, lax.add, (2,), (2,), "VALID"), normal(4)),
    ],
    ids=["large window", "spread window", "spread input", "empty", "integers", "average"],
)
def test_what_is_left_alone(function: Any, x: jax.Array) -> None:
    assert rewrite_for_loops(function, x) is function


@settings(max_examples=10, deadline=None)
@given(
    size=st.integers(1, 12),
    window=st.integers(1, 4),
    stride=st.integers(1, 4),
    low=st.integers(0, 2),
    high=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_any_pool(size: int, window: int, stride: int, low: int, high: int, seed: int) -> None:
    low, high = min(low, window - 1), min(high, window - 1)
    if size + low + high < window:
        window, low, high = 1, 0, 0
    values = np.random.default_rng(seed).integers(0, 4, (2, size)).astype(np.float32)
    function = pool((1, window), (1, stride), ((0, 0), (low, high)))
    assert_rewritten_alike(function, jnp.asarray(values))


def test_under_vmap() -> None:
    x = normal(3, 4, 6)
    function = pool((2, 2), (2, 2))
    rewritten = rewrite_for_loops(function, x[0])
    gradient = jax.vmap(jax.grad(lambda x: (rewritten(x) ** 2).sum()))(x)
    expected = [jax.grad(lambda x: (function(x) ** 2).sum())(one) for one in x]
    assert_close(gradient, jnp.stack(expected))
