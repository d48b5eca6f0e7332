"""A Keras model on JAX as pure functions over ordered lists of arrays; see `weight_order`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp

from fedloom.federation.weights import Weights
from fedloom.learning.framework import keras
from fedloom.learning.weight_order import SEED_STRIDE, Variables, WeightOrder

__all__ = ["FunctionalModel", "Variables"]


@dataclass(frozen=True)
class FunctionalModel:
    """Pure functions around one built Keras model on the JAX backend."""

    model: keras.Model

    @cached_property
    def _order(self) -> WeightOrder:
        return WeightOrder(self.model)

    @property
    def initial_weights(self) -> Weights:
        """The weights that the model was built with, as NumPy arrays."""
        return self._order.initial_weights

    @property
    def trainable_indices(self) -> tuple[int, ...]:
        """Positions of the trainable arrays among the weights, in the model's own order."""
        return self._order.trainable_indices

    @property
    def draws_noise(self) -> bool:
        """Whether the model has seed generators, as dropout does."""
        return bool(self._order.seeds)

    def unpack(self, weights: Sequence[Any], key: Any) -> Variables:
        """Return the variables of a model that holds `weights` and draws from `key`.

        Args:
            weights: in the order of `initial_weights`.
            key: uint32, shape (2,); every seed generator gets a stream of its own from it.
        """
        stride = jnp.array([SEED_STRIDE, 0], jnp.uint32)
        numbers = range(1, len(self._order.seeds) + 1)
        states = [(key + stride * jnp.uint32(n)).astype(jnp.uint32) for n in numbers]
        trainable = [weights[i] for i in self.trainable_indices]
        return Variables(trainable, self._order.take_others(weights), states)

    def pack(self, variables: Variables) -> Weights:
        """Return the weights held by `variables`, in order; the inverse of `unpack`."""
        return self._order.pack(variables)

    def apply(
        self, variables: Variables, rows: Any, *, training: bool
    ) -> tuple[Any, Variables, Any]:
        """Run the model on a batch.

        Returns:
            The outputs, the variables with new batch statistics and seeds, and the sum of the
            model's own losses (regularisers).
        """
        outputs, rest, losses = self.model.stateless_call(
            variables.trainable,
            self._order.join(variables),
            rows,
            training=training,
            return_losses=True,
        )
        extra = sum(losses, jnp.zeros((), jnp.float32))
        return outputs, Variables(variables.trainable, *self._order.split(list(rest))), extra
