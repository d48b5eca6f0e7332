"""Rewritten convolutions against JAX's own, in value and both gradients."""

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
from fedloom.learning.rewrite.convolution import convolve
from fedloom.learning.rewrite.geometry import Convolution
from fedloom.learning.rewrite.kernel_gradient import PART_BYTES, gradient_to_kernel

from .rewrite_checks import assert_close, assert_rewritten_alike, normal, primitives


def image_convolution(**how: Any) -> Any:
    how = {"window_strides": (1, 1), "padding": "VALID", **how}
    return lambda x, kernel: lax.conv_general_dilated(
        x, kernel, dimension_numbers=("NHWC", "HWIO", "NHWC"), **how
    )


def test_value_and_gradients_by_hand() -> None:
    # One image of one row, x = 1 2 3; kernel 10 20; y = 1*10+2*20, 2*10+3*20 = 50, 80.
    how = Convolution((1, 1), ((0, 0), (0, 0)), (1, 1), (1, 1))
    x = jnp.asarray([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
    kernel = jnp.asarray([10.0, 20.0]).reshape(1, 2, 1, 1)
    y, backward = jax.vjp(lambda x, kernel: convolve(how, x, kernel), x, kernel)
    assert y.ravel().tolist() == [50.0, 80.0]
    # A gradient of 1, 100 to y: to x 10, 20 + 1000, 2000; to the kernel 1 + 200, 2 + 300.
    to_x, to_kernel = backward(jnp.asarray([1.0, 100.0]).reshape(1, 1, 2, 1))
    assert to_x.ravel().tolist() == [10.0, 1020.0, 2000.0]
    assert to_kernel.ravel().tolist() == [201.0, 302.0]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"padding": "SAME"},
        {"padding": ((0, 2), (3, 1))},
        {"padding": "SAME", "window_strides": (2, 2)},
        {"window_strides": (3, 2)},
        {"padding": "SAME", "rhs_dilation": (2, 2)},
        {"rhs_dilation": (1, 2), "window_strides": (2, 1)},
        {"padding": ((4, 4), (5, 5))},
        {"padding": ((-1, 0), (0, -2))},
        {"padding": ((1, 2), (2, 2)), "lhs_dilation": (2, 3)},
        {"padding": ((1, 1), (2, 2)), "lhs_dilation": (2, 1), "rhs_dilation": (1, 2)},
        {"precision": lax.Precision.HIGHEST},
    ],
    ids=str,
)
def test_every_kind_of_convolution(how: dict[str, Any]) -> None:
    assert_rewritten_alike(image_convolution(**how), normal(3, 9, 8, 4), normal(3, 2, 4, 5, seed=1))


@pytest.mark.parametrize("groups", [2, 4, 8])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_groups_down_to_one_channel_each(groups: int, strides: tuple[int, int]) -> None:
    convolution = image_convolution(
        padding="SAME", window_strides=strides, feature_group_count=groups
    )
    kernel = normal(3, 3, 8 // groups, 16, seed=1)
    assert_rewritten_alike(convolution, normal(2, 7, 7, 8), kernel)
    rewritten = rewrite_for_loops(convolution, normal(2, 7, 7, 8), kernel)
    traced = list(primitives(jax.make_jaxpr(rewritten)(normal(2, 7, 7, 8), kernel)))
    assert traced.count("conv_general_dilated") == (0 if groups == 8 else groups)


def test_dilated_depthwise_convolution() -> None:
    convolution = image_convolution(
        padding=((2, 1), (0, 3)), rhs_dilation=(2, 1), feature_group_count=3
    )
    assert_rewritten_alike(convolution, normal(2, 7, 6, 3), normal(3, 2, 1, 3, seed=1))


@pytest.mark.parametrize(
    ("padding", "stride", "dilation", "spread"),
    [("SAME", 1, 1, 1), ("VALID", 2, 1, 1), ([(4, 0)], 1, 2, 1), ([(2, 1)], 1, 1, 2)],
)
def test_one_axis_of_space(padding: Any, stride: int, dilation: int, spread: int) -> None:
    def convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x, kernel, (stride,), padding, (spread,), (dilation,), ("NWC", "WIO", "NWC")
        )

    assert_rewritten_alike(convolution, normal(3, 12, 4), normal(3, 4, 5, seed=1))


def test_channels_first_and_other_layouts() -> None:
    def convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
        return lax.conv_general_dilated(
            x, kernel, (1, 2), "SAME", dimension_numbers=("CNWH", "OIWH", "NCWH")
        )

    assert_rewritten_alike(convolution, normal(4, 2, 6, 5), normal(7, 4, 3, 2, seed=1))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_half_precision(dtype: Any) -> None:
    args = normal(2, 6, 6, 3, dtype=dtype), normal(3, 3, 3, 4, seed=1, dtype=dtype)
    assert_rewritten_alike(image_convolution(padding="SAME"), *args, tolerance=2e-2)


def test_sum_in_parts_equals_the_sum_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    how = Convolution((1, 1), ((2, 2), (2, 2)), (1, 1), (1, 1))
    x, gradient = normal(16, 20, 20, 3), normal(16, 20, 20, 32, seed=1)
    assert gradient.nbytes > PART_BYTES
    in_parts = gradient_to_kernel(how, x, gradient, (5, 5))
    monkeypatch.setattr("fedloom.learning.rewrite.kernel_gradient.PART_BYTES", 1 << 40)
    assert_close(gradient_to_kernel(how, x, gradient, (5, 5)), in_parts)


def test_output_that_sees_nothing_but_padding() -> None:
    # One row of input, so all but one row of each window lies in the padding; parts of one row.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedloom.learning.rewrite.kernel_gradient.PART_BYTES", 1)
        convolution = image_convolution(padding=((4, 4), (0, 0)))
        assert_rewritten_alike(convolution, normal(2, 1, 5, 3), normal(2, 2, 3, 4, seed=1))


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (
            image_convolution(window_strides=(2, 2), padding=((1, 1),) * 2, lhs_dilation=(2, 2)),
            (normal(1, 5, 5, 2), normal(3, 3, 2, 2)),
        ),
        (
            lambda x, kernel: lax.conv_general_dilated(x, kernel, (1, 1, 1), "SAME"),
            (normal(1, 2, 3, 4, 5), normal(2, 2, 3, 3, 3)),
        ),
        (image_convolution(batch_group_count=2), (normal(2, 4, 4, 3), normal(2, 2, 3, 4))),
        (
            image_convolution(feature_group_count=64),
            (normal(1, 4, 4, 128), normal(2, 2, 2, 64)),
        ),
        (image_convolution(feature_group_count=2), (normal(1, 9, 9, 2), normal(8, 8, 1, 2))),
        (image_convolution(), (jnp.ones((1, 4, 4, 2), int), jnp.ones((2, 2, 2, 2), int))),
        (image_convolution(), (normal(0, 4, 4, 2), normal(2, 2, 2, 2))),
        (
            image_convolution(preferred_element_type=jnp.float32),
            (normal(1, 4, 4, 2, dtype=jnp.bfloat16), normal(2, 2, 2, 2, dtype=jnp.bfloat16)),
        ),
    ],
    ids=[
        "strided and spread",
        "3-D",
        "batch groups",
        "many groups",
        "large depthwise",
        "integers",
        "no rows",
        "mixed dtypes",
    ],
)
def test_what_is_left_alone(function: Any, args: Any) -> None:
    assert rewrite_for_loops(function, *args) is function


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[Any, jax.Array, jax.Array]:
    """Any 2-D convolution that is either strided or spread, as (how, input, kernel)."""
    pair = st.tuples
    window, dilation = draw(pair(*[st.integers(1, 4)] * 2)), draw(pair(*[st.integers(1, 3)] * 2))
    factors = draw(pair(*[st.integers(1, 3)] * 2))
    spread = draw(st.booleans())
    size = draw(pair(*[st.integers(1, 9)] * 2))
    padding = draw(pair(*[pair(*[st.integers(-1, 5)] * 2)] * 2))
    stretched = [(n - 1) * f + 1 if spread else n for n, f in zip(size, factors, strict=True)]
    for n, k, d, (low, high) in zip(stretched, window, dilation, padding, strict=True):
        # The window must fit, and cropping must leave something to crop from.
        if n + low + high < (k - 1) * d + 1 or n + min(low, 0) + min(high, 0) < 1:
            return draw(convolutions())
    batch, channels, outputs = draw(pair(*[st.integers(1, 3)] * 3))
    how = {
        "window_strides": (1, 1) if spread else factors,
        "lhs_dilation": factors if spread else (1, 1),
        "rhs_dilation": dilation,
        "padding": padding,
    }
    seed = draw(st.integers(0, 99))
    x = normal(batch, *size, channels, seed=seed)
    return how, x, normal(*window, channels, outputs, seed=seed + 1)


@settings(max_examples=10, deadline=None)
@given(convolutions())
def test_any_convolution(example: tuple[Any, jax.Array, jax.Array]) -> None:
    how, x, kernel = example
    assert_rewritten_alike(image_convolution(**how), x, kernel)


def test_gradient_inside_a_compiled_loop_and_under_vmap() -> None:
    x, kernels = normal(4, 6, 6, 2), normal(3, 3, 3, 2, 4, seed=1)
    convolution = image_convolution(padding="SAME")
    rewritten = rewrite_for_loops(convolution, x, kernels[0])

    def descend(function: Any, kernel: jax.Array) -> jax.Array:
        def step(_: Any, kernel: jax.Array) -> jax.Array:
            return kernel - 1e-3 * jax.grad(lambda k: (function(x, k) ** 2).sum())(kernel)

        return lax.fori_loop(0, 3, step, kernel)

    expected = jnp.stack([descend(convolution, kernel) for kernel in kernels])
    assert not np.allclose(expected, kernels)
    assert_close(jax.jit(jax.vmap(lambda k: descend(rewritten, k)))(kernels), expected)
