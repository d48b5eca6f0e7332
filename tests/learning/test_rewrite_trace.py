"""The walk over a traced function: what is rewritten where, and what is kept."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from fedloom.errors import ModelError
from fedloom.learning.rewrite import rewrite_for_loops

from .rewrite_checks import assert_close, assert_rewritten_alike, normal, primitives

X, KERNEL = normal(2, 6, 6, 2), normal(3, 3, 2, 2, seed=1)


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def depthwise(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """A convolution that vanishes from the trace, so a test can see that it was rewritten."""
    return lax.conv_general_dilated(
        x,
        kernel[:, :, :1],
        (1, 1),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=2,
    )


@jax.custom_jvp
def softened(x: jax.Array, kernel: jax.Array) -> jax.Array:
    return depthwise(jnp.tanh(x), kernel)


@softened.defjvp
def _softened_jvp(primals: Any, tangents: Any) -> Any:
    return jax.jvp(lambda x, kernel: depthwise(jnp.tanh(x), kernel), primals, tangents)


def scanned(x: jax.Array, kernel: jax.Array) -> jax.Array:
    def body(carry: jax.Array, scale: jax.Array) -> tuple[jax.Array, jax.Array]:
        carry = jnp.tanh(depthwise(carry, kernel) * scale)
        return carry, carry.sum()

    last, sums = lax.scan(body, x, jnp.asarray([0.5, 1.0, 2.0]), reverse=True)
    return last * sums.sum()


@pytest.mark.parametrize(
    "function",
    [
        depthwise,
        jax.jit(depthwise),
        jax.jit(lambda x, kernel: jax.jit(depthwise)(x * 2, kernel) + 1),
        jax.checkpoint(lambda x, kernel: jnp.sin(depthwise(x, kernel))),
        softened,
        lambda x, kernel: lax.cond(x[0, 0, 0, 0] > 0, depthwise, lambda x, _: 2 * x, x, kernel),
        lambda x, kernel: lax.cond(x[0, 0, 0, 0] < 0, depthwise, lambda x, _: 2 * x, x, kernel),
        scanned,
    ],
    ids=["plain", "jit", "jit in jit", "checkpoint", "custom_jvp", "cond", "other cond", "scan"],
)
def test_inner_functions_are_rewritten(function: Any) -> None:
    assert "conv_general_dilated" in primitives(jax.make_jaxpr(function)(X, KERNEL))
    rewritten = rewrite_for_loops(function, X, KERNEL)
    assert "conv_general_dilated" not in primitives(jax.make_jaxpr(rewritten)(X, KERNEL))
    assert_rewritten_alike(function, X, KERNEL)


def test_body_and_condition_of_a_while_loop() -> None:
    def function(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.while_loop(
            lambda carry: (carry[0] < 3) & (depthwise(carry[1], kernel).max() < 1e6),
            lambda carry: (carry[0] + 1, depthwise(carry[1], kernel)),
            (0, x),
        )[1]

    rewritten = rewrite_for_loops(function, X, KERNEL)
    assert "conv_general_dilated" not in primitives(jax.make_jaxpr(rewritten)(X, KERNEL))
    assert_close(rewritten(X, KERNEL), function(X, KERNEL))


def test_structure_of_jit_and_loops_is_kept() -> None:
    rewritten = rewrite_for_loops(jax.checkpoint(scanned), X, KERNEL)
    names = list(primitives(jax.make_jaxpr(rewritten)(X, KERNEL)))
    assert names.count("scan") == 1
    assert any(name.startswith(("checkpoint", "remat")) for name in names)


def test_custom_vjp_keeps_its_gradient() -> None:
    @jax.custom_vjp
    def own(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return depthwise(x, kernel)

    own.defvjp(
        lambda x, kernel: (depthwise(x, kernel), (x, kernel)),
        lambda saved, gradient: (jnp.full_like(saved[0], 3), jnp.full_like(saved[1], 4)),
    )
    assert rewrite_for_loops(own, X, KERNEL) is own
    assert_rewritten_alike(lambda x, kernel: convolve(own(x, kernel), kernel), X, KERNEL)


def test_stable_gradients_are_kept() -> None:
    def loss(x: jax.Array, kernel: jax.Array) -> jax.Array:
        logits = 1e4 * jax.nn.relu(convolve(x, kernel)).sum((1, 2))
        steep = jax.nn.log_softmax(logits) + jax.nn.softplus(logits) + jax.nn.log_sigmoid(-logits)
        return steep + jnp.logaddexp(logits, 0 * logits)

    rewritten = rewrite_for_loops(loss, X, KERNEL)
    gradients = jax.grad(lambda x, kernel: rewritten(x, kernel).sum(), (0, 1))(X, KERNEL)
    assert all(bool(jnp.isfinite(gradient).all()) for gradient in gradients)
    assert_rewritten_alike(loss, X, KERNEL)
    names = list(primitives(jax.make_jaxpr(rewritten)(X, KERNEL)))
    assert names.count("custom_jvp_call") >= 2, "relu and logaddexp lost gradients of their own"


def test_relu_at_zero_has_gradient_zero() -> None:
    rewritten = rewrite_for_loops(lambda x, k: jax.nn.relu(convolve(x, k)).sum(), X, KERNEL)
    assert not jax.grad(rewritten, 1)(X, 0 * KERNEL).any()


def test_nothing_to_rewrite_gives_the_function_itself() -> None:
    def dense(x: jax.Array, weights: jax.Array) -> jax.Array:
        return jax.nn.softmax(x @ weights)

    assert rewrite_for_loops(dense, normal(2, 3), normal(3, 4)) is dense


def test_pytrees_constants_and_several_results() -> None:
    shift = jnp.arange(2.0)

    def function(params: dict[str, Any], x: jax.Array) -> tuple[jax.Array, dict[str, Any]]:
        y = convolve(x, params["kernel"]) + shift
        return y, {"count": params["count"] + 1, "same": x, "fixed": 7.0}

    params = {"kernel": KERNEL, "count": jnp.uint32(3)}
    rewritten = rewrite_for_loops(function, params, X)
    y, rest = jax.jit(rewritten)(params, X)
    expected, _ = function(params, X)
    assert_close(y, expected)
    assert (int(rest["count"]), float(rest["fixed"])) == (4, 7.0)
    assert_close(rest["same"], X)


def test_shapes_alone_are_enough() -> None:
    shapes = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in (X, KERNEL)]
    assert_close(rewrite_for_loops(convolve, *shapes)(X, KERNEL), convolve(X, KERNEL))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((X[:1], KERNEL), r"array 0 .* float32\[1, 6, 6, 2\]; .* float32\[2, 6, 6, 2\]"),
        ((X, KERNEL.astype(jnp.bfloat16)), r"array 1 .* bfloat16\[3, 3, 2, 2\]"),
        ((X,), "structure|PyTreeDef"),
    ],
    ids=["shape", "dtype", "structure"],
)
def test_other_arguments_are_refused(args: Any, message: str) -> None:
    rewritten = rewrite_for_loops(convolve, X, KERNEL)
    with pytest.raises(ModelError, match=message):
        rewritten(*args)
