"""A Keras model as pure functions over ordered lists of arrays.

Keras keeps three kinds of variables: trainable weights, other weights (batch statistics) and the
states of seed generators (dropout). The first two, as far as they are floating point, are what
federated learning calls *weights*, in the order of ``model.weights``. Seeds are set anew for every
client and round and never averaged; other non-float variables are constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from fedloom.federation.weights import Weights
from fedloom.learning.framework import keras

__all__ = ["FunctionalModel", "Variables"]

_SEED_STRIDE = 0x9E3779B9
"""Sets the seed generators of one model apart; the golden ratio of 2³², as in splitmix."""


class Variables(NamedTuple):
    """All variables of a model, as JAX arrays: trainable ones, others, and seeds."""

    trainable: list[Any]
    others: list[Any]
    seeds: list[Any]


@dataclass(frozen=True)
class FunctionalModel:
    """Pure functions around one built Keras model on the JAX backend."""

    model: keras.Model

    @cached_property
    def _weight_variables(self) -> list[Any]:
        return [v for v in self.model.weights if jnp.issubdtype(v.dtype, jnp.floating)]

    @cached_property
    def _positions(self) -> tuple[dict[int, int], list[int | None], list[int]]:
        """Where each weight sits: trainable ids, index of others, and which others are seeds."""
        weight_index = {id(v): i for i, v in enumerate(self._weight_variables)}
        others = [weight_index.get(id(v)) for v in self.model.non_trainable_variables]
        known = {id(v) for v in self.model.weights}
        seeds = [i for i, v in enumerate(self.model.non_trainable_variables) if id(v) not in known]
        trainable = {i: weight_index[id(v)] for i, v in enumerate(self.model.trainable_variables)}
        return trainable, others, seeds

    @property
    def initial_weights(self) -> Weights:
        """The weights that the model was built with, as NumPy arrays."""
        return [np.array(v.value) for v in self._weight_variables]

    @cached_property
    def trainable_indices(self) -> tuple[int, ...]:
        """Positions of the trainable arrays among the weights, in the model's own order."""
        return tuple(self._positions[0].values())

    @property
    def draws_noise(self) -> bool:
        """Whether the model has seed generators, as dropout does."""
        return bool(self._positions[2])

    def unpack(self, weights: Sequence[Any], key: Any) -> Variables:
        """Return the variables of a model that holds `weights` and draws from `key`.

        Args:
            weights: in the order of `initial_weights`.
            key: uint32, shape (2,); every seed generator gets a stream of its own from it.
        """
        _, others, seeds = self._positions
        values = [v.value for v in self.model.non_trainable_variables]
        rest = [
            values[i] if where is None else weights[where]
            for i, where in enumerate(others)
            if i not in seeds
        ]
        stride = jnp.array([_SEED_STRIDE, 0], jnp.uint32)
        states = [(key + stride * jnp.uint32(n + 1)).astype(jnp.uint32) for n in range(len(seeds))]
        return Variables([weights[i] for i in self.trainable_indices], rest, states)

    def pack(self, variables: Variables) -> Weights:
        """Return the weights held by `variables`, in order; the inverse of `unpack`."""
        _, others, seeds = self._positions
        found = dict(zip(self.trainable_indices, variables.trainable, strict=True))
        places = [where for i, where in enumerate(others) if i not in seeds]
        found |= {w: v for w, v in zip(places, variables.others, strict=True) if w is not None}
        return [found[i] for i in range(len(self._weight_variables))]

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
            self._join(variables),
            rows,
            training=training,
            return_losses=True,
        )
        new_others, new_seeds = self._split(list(rest))
        extra = sum(losses, jnp.zeros((), jnp.float32))
        return outputs, Variables(variables.trainable, new_others, new_seeds), extra

    def _join(self, variables: Variables) -> list[Any]:
        others, seeds = iter(variables.others), iter(variables.seeds)
        where_seeds = set(self._positions[2])
        count = len(self._positions[1])
        return [next(seeds) if i in where_seeds else next(others) for i in range(count)]

    def _split(self, rest: list[Any]) -> tuple[list[Any], list[Any]]:
        where_seeds = set(self._positions[2])
        others = [v for i, v in enumerate(rest) if i not in where_seeds]
        return others, [v for i, v in enumerate(rest) if i in where_seeds]
