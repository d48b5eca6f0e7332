"""What the tests of the trace rewriter share: comparing a function with its rewritten form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from fedloom.learning.rewrite import rewrite_for_loops

# Compiling is most of these tests' time; the generated code's polish is not what they test.
COMPILE_FAST: Any = {"xla_llvm_disable_expensive_passes": True}


def normal(*shape: int, seed: int = 0, dtype: Any = np.float32) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape), dtype)


def primitives(jaxpr: Jaxpr | ClosedJaxpr) -> Iterator[str]:
    """Yield the name of every primitive in a jaxpr, those of inner functions too."""
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                if isinstance(inner, Jaxpr | ClosedJaxpr):
                    yield from primitives(inner)


def value_and_gradients(function: Callable[..., Any], *args: Any) -> list[Any]:
    """Return the value and, for a weighting of it that is no constant, all gradients."""

    def run(*args: Any) -> list[Any]:
        value, backward = jax.vjp(function, *args)
        weights = jnp.sin(1.0 + jnp.arange(value.size)).reshape(value.shape).astype(value.dtype)
        return [value, *backward(weights)]

    return jax.jit(run, compiler_options=COMPILE_FAST)(*args)


def assert_close(given: Any, expected: Any, tolerance: float = 1e-5) -> None:
    """Compare pytrees, each array relative to its largest value."""
    assert jax.tree.structure(given) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(given), jax.tree.leaves(expected), strict=True):
        assert one.shape == other.shape
        assert one.dtype == other.dtype
        if not jnp.issubdtype(one.dtype, jnp.floating):
            np.testing.assert_array_equal(one, other)
            continue
        one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
        scale = np.abs(other).max(initial=1e-3)
        np.testing.assert_allclose(one / scale, other / scale, rtol=0, atol=tolerance)


def assert_rewritten_alike(
    function: Callable[..., Any], *args: Any, tolerance: float = 1e-5
) -> None:
    """Check that a function is rewritten, and to one with the same value and gradients."""
    rewritten = rewrite_for_loops(function, *args)
    assert rewritten is not function, "nothing was rewritten"
    assert_close(
        value_and_gradients(rewritten, *args), value_and_gradients(function, *args), tolerance
    )
