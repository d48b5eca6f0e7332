"""Depthwise convolutions as shifted products."""

from __future__ import annotations

from itertools import product

import jax
import jax.numpy as jnp
from jax import lax

from fedloom.learning.rewrite.geometry import Convolution

__all__ = ["MOST_TAPS", "depthwise_convolution"]

# Windows with more values than this are left to XLA: each costs a slice to compile.
MOST_TAPS = 49


def depthwise_convolution(how: Convolution, x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Convolve each channel by itself: one slice of the input times one row of the kernel per tap.

    Args:
        how: the convolution, without input dilation.
        x: (batch, *space, channels).
        kernel: (*window, 1, channels * multiplier), the outputs of one channel side by side.

    Returns:
        (batch, *space, channels * multiplier).
    """
    window, channels = kernel.shape[:-2], x.shape[-1]
    padded = lax.pad(
        x, jnp.zeros((), x.dtype), [(0, 0, 0), *((*p, 0) for p in how.padding), (0, 0, 0)]
    )
    reaches = [(taps - 1) * d for taps, d in zip(window, how.kernel_dilation, strict=True)]
    sizes = [
        (size - 1 - reach) // stride + 1
        for size, reach, stride in zip(padded.shape[1:-1], reaches, how.strides, strict=True)
    ]
    result = jnp.zeros((), x.dtype)
    for tap in product(*map(range, window)):
        index = tuple(
            slice(k * d, k * d + (size - 1) * stride + 1, stride)
            for k, d, size, stride in zip(tap, how.kernel_dilation, sizes, how.strides, strict=True)
        )
        result += padded[(slice(None), *index, slice(None), None)] * kernel[tap].reshape(
            channels, -1
        )
    return result.reshape(*result.shape[:-2], -1)
