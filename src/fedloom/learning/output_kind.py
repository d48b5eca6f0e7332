"""What a classifier's last layer gives: logits or probabilities."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from fedloom.data.dataset import Task
from fedloom.learning.framework import keras

__all__ = ["SMALLEST_PROBABILITY", "OutputKind", "read_output_kind"]

SMALLEST_PROBABILITY = 1e-7
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
