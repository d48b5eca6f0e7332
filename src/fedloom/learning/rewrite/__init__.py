"""Traced functions rewritten into forms that a CPU runs fast inside a compiled loop.

XLA's CPU compiler leaves a convolution's gradient to its kernel, a max pool's gradient and a
depthwise convolution to generic code; inside a compiled training loop they cost 10 to 150 times
what the machine can do. :func:`rewrite_for_loops` replaces just these in the traced function, so
models stay plain Keras:

- ``trace`` walks a traced function and evaluates it again with the replacements;
- ``convolution`` and ``kernel_gradient`` hold the convolution with gradients written by hand;
- ``depthwise`` and ``pooling`` hold one window operation each, as shifted slices.
"""

from __future__ import annotations

from fedloom.learning.rewrite.trace import rewrite_for_loops

__all__ = ["rewrite_for_loops"]
