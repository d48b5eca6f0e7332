"""Loss and score of a batch, one value per row: `fedloom.learning.losses` on any backend."""

from __future__ import annotations

from typing import Any

from fedloom.learning.framework import keras
from fedloom.learning.output_kind import SMALLEST_PROBABILITY, OutputKind

__all__ = ["row_hits", "row_losses"]

ops = keras.ops


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
        total = outputs / ops.sum(outputs, axis=-1, keepdims=True)
        logs = ops.log(ops.clip(total, SMALLEST_PROBABILITY, 1.0))
    else:
        logs = ops.log_softmax(outputs, axis=-1)
    chosen = ops.clip(ops.cast(labels, "int64"), 0, outputs.shape[-1] - 1)
    return -ops.take_along_axis(logs, chosen[:, None], axis=-1)[:, 0]


def row_hits(kind: OutputKind, outputs: Any, labels: Any) -> Any:
    """Return 1.0 for each row whose class is right; zeros for a regression."""
    if kind is OutputKind.VALUE:
        return ops.zeros_like(labels, dtype="float32")
    best = ops.cast(ops.argmax(outputs, axis=-1), "int64")
    return ops.cast(ops.equal(best, ops.cast(labels, "int64")), "float32")
