"""Convolutions with gradients written by hand as convolutions that XLA's CPU compiler knows.

XLA hands a convolution to a tuned kernel (about 90 % of a matrix product's speed) only in the
canonical form: channels last, kernel ``HWIO``, a small window. The two gradients that JAX derives
are not in that form, and the one to the kernel runs about 100 times slower. Here both are
expressed in the canonical form again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import JaxprEqn

from fedloom.learning.rewrite.depthwise import MOST_TAPS, depthwise_convolution
from fedloom.learning.rewrite.geometry import Convolution, keep_apart
from fedloom.learning.rewrite.kernel_gradient import gradient_to_kernel

__all__ = ["convolution_replacement", "convolve"]

# A grouped convolution becomes one convolution a group; beyond this, compiling costs too much.
MOST_GROUPS = 32


def convolution_replacement(equation: JaxprEqn) -> Callable[..., jax.Array] | None:
    """Return what computes a ``conv_general_dilated`` equation, or None to leave it as it is.

    Left alone are 3-D convolutions, batch groups, strides together with input dilation, integers,
    mixed dtypes, and groups or windows so many that compiling would cost more than it saves.
    """
    params = equation.params
    x, kernel, y = _avals(equation)
    how = Convolution(
        strides=tuple(params["window_strides"]),
        padding=tuple((int(low), int(high)) for low, high in params["padding"]),
        input_dilation=tuple(params["lhs_dilation"]),
        kernel_dilation=tuple(params["rhs_dilation"]),
        precision=params["precision"],
    )
    if (
        len(how.strides) not in (1, 2)
        or params["batch_group_count"] != 1
        or params.get("out_sharding") is not None
        or (max(how.strides) > 1 and max(how.input_dilation) > 1)
        or not x.dtype == kernel.dtype == y.dtype
        or not jnp.issubdtype(x.dtype, jnp.floating)
        or 0 in (*x.shape, *kernel.shape, *y.shape)
    ):
        return None
    canonical = _for_groups(how, params["feature_group_count"], kernel, params["dimension_numbers"])
    return canonical and partial(_in_any_layout, canonical, params["dimension_numbers"])


def _avals(equation: JaxprEqn) -> list[Any]:
    return [atom.aval for atom in (*equation.invars, *equation.outvars)]


def _for_groups(
    how: Convolution, groups: int, kernel: Any, numbers: lax.ConvDimensionNumbers
) -> Callable[..., jax.Array] | None:
    if groups == 1:
        return partial(convolve, how)
    if kernel.shape[numbers.rhs_spec[1]] == 1 and max(how.input_dilation) == 1:
        taps = np.prod([kernel.shape[axis] for axis in numbers.rhs_spec[2:]])
        return partial(depthwise_convolution, how) if taps <= MOST_TAPS else None
    return partial(_convolve_groups, how, groups) if groups <= MOST_GROUPS else None


def _in_any_layout(
    canonical: Callable[..., jax.Array],
    numbers: lax.ConvDimensionNumbers,
    x: jax.Array,
    kernel: jax.Array,
) -> jax.Array:
    """Transpose to channels last and ``HWIO`` and back; a no-op for Keras's default layout."""
    batch, channel, *spatial = numbers.lhs_spec
    out, into, *window = numbers.rhs_spec
    y = canonical(x.transpose(batch, *spatial, channel), kernel.transpose(*window, into, out))
    batch, channel, *spatial = numbers.out_spec
    return y.transpose(np.argsort((batch, *spatial, channel)))


def _convolve_groups(how: Convolution, groups: int, x: jax.Array, kernel: jax.Array) -> jax.Array:
    inputs, kernels = jnp.split(x, groups, -1), jnp.split(kernel, groups, -1)
    return jnp.concatenate(
        [convolve(how, *pair) for pair in zip(inputs, kernels, strict=True)], axis=-1
    )


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def convolve(how: Convolution, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolve ``x`` (batch, *space, channels in) with ``kernel`` (*window, in, out)."""
    return how.apply(x, kernel)


def _forward(
    how: Convolution, x: jax.Array, kernel: jax.Array
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolve(how, x, kernel), (x, kernel)


def _backward(
    how: Convolution, residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    return (
        _gradient_to_input(how, x.shape, kernel, gradient),
        gradient_to_kernel(how, x, gradient, kernel.shape[:-2]),
    )


convolve.defvjp(_forward, _backward)


def _gradient_to_input(
    how: Convolution, shape: tuple[int, ...], kernel: jax.Array, gradient: jax.Array
) -> jax.Array:
    """Convolve the gradient with the mirrored kernel; strides and input dilation trade places."""
    window = kernel.shape[:-2]
    mirrored = jnp.flip(kernel, range(len(window))).swapaxes(-1, -2)
    padding = []
    for axis, taps in enumerate(window):
        reach = (taps - 1) * how.kernel_dilation[axis]
        low = reach - how.padding[axis][0]
        given = (gradient.shape[1 + axis] - 1) * how.strides[axis] + 1
        wanted = (shape[1 + axis] - 1) * how.input_dilation[axis] + 1
        padding.append((low, wanted + reach - given - low))
    back = Convolution(
        strides=how.input_dilation,
        padding=tuple(padding),
        input_dilation=how.strides,
        kernel_dilation=how.kernel_dilation,
        precision=how.precision,
    )
    return back.apply(gradient, keep_apart(mirrored))
