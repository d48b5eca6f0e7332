"""A Keras model as functions over ordered lists of tensors, on any backend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.federation.weights import Weights
from fedloom.learning.framework import keras
from fedloom.learning.weight_order import SEED_STRIDE, Variables, WeightOrder

__all__ = ["PortableModel"]


class PortableModel:
    """Functions around one built Keras model; `fedloom.learning.functional` on any backend.

    Args:
        model: built on the backend of this process.
        place: brings a NumPy array to where the backend computes.
    """

    def __init__(self, model: keras.Model, place: Callable[[Any], Any]) -> None:
        self.model, self._place = model, place
        self.order = WeightOrder(model)

    @property
    def initial_weights(self) -> Weights:
        """The weights that the model was built with, as NumPy arrays."""
        return self.order.initial_weights

    @cached_property
    def trainable_indices(self) -> tuple[int, ...]:
        """Positions of the trainable arrays among the weights, in the model's own order."""
        return self.order.trainable_indices

    def unpack(self, weights: Sequence[Any], key: NDArray[np.uint32]) -> Variables:
        """Return the variables of a model that holds `weights` and draws from `key`."""
        numbers = np.arange(1, len(self.order.seeds) + 1, dtype=np.uint64)
        firsts = (int(key[0]) + numbers * SEED_STRIDE).astype(np.uint32)
        states = [self._place(self._seed(first, key[1])) for first in firsts]
        trainable = [weights[i] for i in self.trainable_indices]
        return Variables(trainable, self.order.take_others(weights), states)

    def apply(
        self, variables: Variables, rows: Any, *, training: bool
    ) -> tuple[Any, Variables, Any]:
        """Run the model on a batch; see `FunctionalModel.apply`."""
        outputs, rest, losses = self.model.stateless_call(
            variables.trainable,
            self.order.join(variables),
            rows,
            training=training,
            return_losses=True,
        )
        extra = sum(losses, keras.ops.zeros((), "float32"))
        return outputs, Variables(variables.trainable, *self.order.split(list(rest))), extra

    @cached_property
    def _seed_dtype(self) -> str:
        listed = self.model.non_trainable_variables
        return str(next(keras.backend.standardize_dtype(listed[i].dtype) for i in self.order.seeds))

    def _seed(self, first: Any, second: Any) -> NDArray[Any]:
        """The key in the type of the backend's seeds, which may be a signed one."""
        return np.array([first, second], np.uint32).astype(self._seed_dtype)
