"""A convolution's gradient to its kernel, as convolutions that XLA's CPU compiler knows.

Along one axis ``dW[k, i, o] = sum over n and p of x[n, p*stride + k*dilation, i] * g[n, p, o]``:
a convolution in which ``g`` is the kernel and the batch is the channel that is summed over. Two
things make it fast. The last axis of space and the input channels are merged into one, ``x`` laid
out as (1, H, W*I, N) and the window of ``g`` dilated by I, so the result comes out as
(H window, W window * I, O), which is the kernel's own layout, from long rows without a copy. And
the sum over rows of ``g`` is split so that the part in use stays in a core's second-level cache.
"""

from __future__ import annotations

import math
from dataclasses import replace

import jax
import jax.numpy as jnp

from fedloom.learning.rewrite.geometry import Convolution, keep_apart

__all__ = ["gradient_to_kernel"]

# Bytes of the output's gradient that one partial sum reads over and over; half of the smallest
# second-level cache in use (1 MiB on Zen 4). Measured flat between a quarter and one MiB.
PART_BYTES = 1 << 19


def gradient_to_kernel(
    how: Convolution, x: jax.Array, gradient: jax.Array, window: tuple[int, ...]
) -> jax.Array:
    """Return the gradient to the kernel, shaped (*window, channels in, channels out).

    Args:
        how: the convolution; strided or input-dilated, not both.
        x: its input, (batch, *space, channels in), one or two axes of space.
        gradient: the gradient to its output, (batch, *space, channels out).
        window: the kernel's extent along each axis of space.
    """
    if max(how.input_dilation) > 1:
        return _of_transposed(how, x, gradient, window)
    if len(window) == 2:
        return _of_strided(how, x, gradient, window)
    # One axis: it becomes the rows, so that partial sums split it, and columns are single.
    flat = Convolution(
        strides=(*how.strides, 1),
        padding=(*how.padding, (0, 0)),
        input_dilation=(1, 1),
        kernel_dilation=(*how.kernel_dilation, 1),
        precision=how.precision,
    )
    return _of_strided(flat, x[:, :, None], gradient[:, :, None], (*window, 1))[:, 0]


def _of_transposed(
    how: Convolution, x: jax.Array, gradient: jax.Array, window: tuple[int, ...]
) -> jax.Array:
    """A transposed convolution is a strided one backwards: input and gradient trade places."""
    reaches = [(taps - 1) * d for taps, d in zip(window, how.kernel_dilation, strict=True)]
    strided = replace(
        how,
        strides=how.input_dilation,
        input_dilation=how.strides,
        # Only the padding before matters: the window's extent fixes the padding after.
        padding=tuple((r - low, 0) for r, (low, _) in zip(reaches, how.padding, strict=True)),
    )
    mirrored = gradient_to_kernel(strided, gradient, x, window)
    return jnp.flip(mirrored, range(len(window))).swapaxes(-1, -2)


def _of_strided(
    how: Convolution, x: jax.Array, gradient: jax.Array, window: tuple[int, ...]
) -> jax.Array:
    kernel = keep_apart(gradient.transpose(1, 2, 0, 3))
    columns, across = _seen(how, 1, window[1], (0, kernel.shape[1]), x.shape[2])
    x = x[:, :, columns]
    _, height, width, channels = x.shape
    # Merging needs neighbouring kernel values side by side; else channels take the batch's place.
    merge = how.kernel_dilation[1] == 1
    step = channels if merge else 1
    images = x.transpose(1, 2, 3, 0) if merge else x.transpose(3, 1, 2, 0)
    images = keep_apart(images.reshape(-1, height, width * step, len(x)))
    result = (len(images), window[0], window[1] * step, kernel.shape[-1])
    total = jnp.zeros(result, jnp.promote_types(x.dtype, jnp.float32))
    for first, last in _parts(len(kernel), kernel.size * kernel.dtype.itemsize):
        rows, along = _seen(how, 0, window[0], (first, last), height)
        if rows.start == rows.stop:
            continue  # nothing but padding
        part = Convolution(
            strides=how.kernel_dilation,
            padding=(along, (across[0] * step, across[1] * step)),
            input_dilation=(1, 1),
            kernel_dilation=(how.strides[0], how.strides[1] * step),
            precision=how.precision,
        )
        total += part.apply(images[:, rows], kernel[first:last], total.dtype)
    total = total.astype(x.dtype)
    if merge:
        return total.reshape(*window, channels, -1)
    return total.transpose(1, 2, 0, 3)


def _seen(
    how: Convolution, axis: int, taps: int, positions: tuple[int, int], size: int
) -> tuple[slice, tuple[int, int]]:
    """Return the part of the input that the windows at ``positions`` see, and the zeros around it.

    Cutting the input and not padding by a negative number: XLA would leave its fast path.
    """
    first, last = positions
    start = first * how.strides[axis] - how.padding[axis][0]
    stop = (
        start + (taps - 1) * how.kernel_dilation[axis] + (last - first - 1) * how.strides[axis] + 1
    )
    inside = slice(min(max(start, 0), size), min(max(stop, 0), size))
    return inside, (inside.start - start, stop - inside.stop)


def _parts(rows: int, size: int) -> list[tuple[int, int]]:
    """Split ``rows`` evenly so that each part of the ``size`` bytes fits :data:`PART_BYTES`."""
    length = math.ceil(rows / max(1, math.ceil(size / PART_BYTES)))
    return [(first, min(first + length, rows)) for first in range(0, rows, length)]
