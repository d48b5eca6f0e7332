"""What a convolution does apart from its arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
from jax import lax

__all__ = ["Convolution", "keep_apart"]

# Keeps XLA from folding a transposition into the convolution it feeds, which would take the
# canonical form away again. Named here because JAX does not type it.
keep_apart: Callable[[jax.Array], jax.Array] = lax.optimization_barrier

_CHANNELS_LAST = {1: ("NWC", "WIO", "NWC"), 2: ("NHWC", "HWIO", "NHWC")}


@dataclass(frozen=True)
class Convolution:
    """A convolution's numbers, one entry for each axis of space; no groups, channels last.

    Attributes:
        strides: steps of the window.
        padding: zeros before and after; negative numbers crop.
        input_dilation: distance of neighbouring input values (above 1: transposed convolution).
        kernel_dilation: distance of neighbouring kernel values.
        precision: passed through to XLA.
    """

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    input_dilation: tuple[int, ...]
    kernel_dilation: tuple[int, ...]
    precision: Any = None

    def apply(self, x: jax.Array, kernel: jax.Array, dtype: Any = None) -> jax.Array:
        """Convolve ``x`` (batch, *space, in) with ``kernel`` (*window, in, out), as XLA does it.

        ``dtype`` is that of the sums and the result; by default that of the arrays.
        """
        return lax.conv_general_dilated(
            x,
            kernel,
            window_strides=self.strides,
            padding=self.padding,
            lhs_dilation=self.input_dilation,
            rhs_dilation=self.kernel_dilation,
            dimension_numbers=_CHANNELS_LAST[len(self.strides)],
            precision=self.precision,
            preferred_element_type=dtype,
        )
