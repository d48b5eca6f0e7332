"""Loss and score of a batch on JAX, by task, one value per row."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
from jax import nn

from fedloom.learning.output_kind import SMALLEST_PROBABILITY, OutputKind, read_output_kind

__all__ = ["OutputKind", "read_output_kind", "row_hits", "row_losses"]


def row_losses(kind: OutputKind, outputs: Any, labels: Any) -> Any:
    """Return each row's loss: cross-entropy, or the squared error of a regression.

    Args:
        kind: what `outputs` are.
        outputs: shape (rows, classes) or (rows, 1).
        labels: class indices, or values; shape (rows,).
    """
    if kind is OutputKind.VALUE:
        return (outputs[:, 0] - labels) ** 2
    if kind is OutputKind.PROBABILITIES:
        total = outputs / outputs.sum(axis=-1, keepdims=True)
        logs = jnp.log(jnp.clip(total, SMALLEST_PROBABILITY, 1.0))
    else:
        logs = nn.log_softmax(outputs)
    return -jnp.take_along_axis(logs, labels[:, None], axis=-1, mode="clip")[:, 0]


def row_hits(kind: OutputKind, outputs: Any, labels: Any) -> Any:
    """Return 1.0 for each row whose class is right; zeros for a regression."""
    if kind is OutputKind.VALUE:
        return jnp.zeros(labels.shape, jnp.float32)
    return (outputs.argmax(axis=-1) == labels).astype(jnp.float32)
