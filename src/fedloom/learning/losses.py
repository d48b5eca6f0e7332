"""Loss and score of a batch, by task, one value per row."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import jax.numpy as jnp
import keras
from jax import nn

from fedloom.data.dataset import Task

__all__ = ["OutputKind", "read_output_kind", "row_hits", "row_losses"]

_SMALLEST_PROBABILITY = 1e-7
"""Keras' own epsilon: probabilities are clipped to it before a logarithm."""


class OutputKind(StrEnum):
    """What a model's last layer gives."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"
    VALUE = "value"


def read_output_kind(model: keras.Model, task: Task) -> OutputKind:
    """Tell from the last operation whether a classifier gives logits or probabilities.

    Where a model's own code computes the outputs, its last layer is what tells.
    """
    if task is Task.REGRESSION:
        return OutputKind.VALUE
    last = _last_operation(model)
    activation = getattr(getattr(last, "activation", None), "__name__", "")
    named = {type(last).__name__.casefold(), activation}
    return OutputKind.PROBABILITIES if named & {"softmax", "sigmoid"} else OutputKind.LOGITS


def _last_operation(model: keras.Model) -> Any:
    """Return what gives the outputs, also where the last layer is a model itself."""
    last: Any = model
    while isinstance(last, keras.Model):
        if getattr(last, "outputs", None):
            last = last.outputs[0]._keras_history.operation
        elif last.layers:
            last = last.layers[-1]
        else:
            return last
    return last


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
        logs = jnp.log(jnp.clip(total, _SMALLEST_PROBABILITY, 1.0))
    else:
        logs = nn.log_softmax(outputs)
    return -jnp.take_along_axis(logs, labels[:, None], axis=-1, mode="clip")[:, 0]


def row_hits(kind: OutputKind, outputs: Any, labels: Any) -> Any:
    """Return 1.0 for each row whose class is right; zeros for a regression."""
    if kind is OutputKind.VALUE:
        return jnp.zeros(labels.shape, jnp.float32)
    return (outputs.argmax(axis=-1) == labels).astype(jnp.float32)
