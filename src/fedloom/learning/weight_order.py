"""Which variables of a Keras model are weights, and where each of them stands.

Keras keeps three kinds of variables: trainable weights, other weights (batch statistics) and the
states of seed generators (dropout). The first two, as far as they are floating point, are what
federated learning calls *weights*, in the order of ``model.weights``. Seeds are set anew for every
client and round and never averaged; other non-float variables are constants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fedloom.federation.weights import Weights
from fedloom.learning.framework import keras

__all__ = ["SEED_STRIDE", "Variables", "WeightOrder"]

SEED_STRIDE = 0x9E3779B9
"""Sets the seed generators of one model apart; the golden ratio of 2³², as in splitmix."""


class Variables(NamedTuple):
    """All variables of a model, as the backend's arrays: trainable ones, others, and seeds."""

    trainable: list[Any]
    others: list[Any]
    seeds: list[Any]


@dataclass(frozen=True)
class WeightOrder:
    """The order of one built model's variables."""

    model: keras.Model

    @cached_property
    def weight_variables(self) -> list[Any]:
        """The variables that hold weights."""
        return [v for v in self.model.weights if "float" in str(v.dtype)]

    @property
    def initial_weights(self) -> Weights:
        """The weights that the model was built with, as NumPy arrays."""
        return [np.array(keras.ops.convert_to_numpy(v.value)) for v in self.weight_variables]

    @cached_property
    def trainable_indices(self) -> tuple[int, ...]:
        """Positions of the trainable arrays among the weights, in the model's own order."""
        index = {id(v): i for i, v in enumerate(self.weight_variables)}
        return tuple(index[id(v)] for v in self.model.trainable_variables)

    @cached_property
    def others(self) -> list[int | None]:
        """For each other variable that is no seed: its position among the weights, if any."""
        index = {id(v): i for i, v in enumerate(self.weight_variables)}
        listed = enumerate(self.model.non_trainable_variables)
        return [index.get(id(v)) for i, v in listed if i not in self.seeds]

    @cached_property
    def seeds(self) -> frozenset[int]:
        """Which of the non-trainable variables are states of seed generators."""
        known = {id(v) for v in self.model.weights}
        listed = enumerate(self.model.non_trainable_variables)
        return frozenset(i for i, v in listed if id(v) not in known)

    def take_others(self, weights: Sequence[Any]) -> list[Any]:
        """Return the other variables' values where the model holds `weights`."""
        listed = enumerate(self.model.non_trainable_variables)
        values = [v.value for i, v in listed if i not in self.seeds]
        places = zip(values, self.others, strict=True)
        return [value if where is None else weights[where] for value, where in places]

    def pack(self, variables: Variables) -> list[Any]:
        """Return the weights held by `variables`, in order."""
        found = dict(zip(self.trainable_indices, variables.trainable, strict=True))
        others = zip(self.others, variables.others, strict=True)
        found |= {where: value for where, value in others if where is not None}
        return [found[i] for i in range(len(self.weight_variables))]

    def join(self, variables: Variables) -> list[Any]:
        """Put others and seeds into the order of the model's non-trainable variables."""
        others, seeds = iter(variables.others), iter(variables.seeds)
        count = len(variables.others) + len(variables.seeds)
        return [next(seeds) if i in self.seeds else next(others) for i in range(count)]

    def split(self, rest: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Take others and seeds apart; the inverse of `join`."""
        pairs = list(enumerate(rest))
        return list(_pick(pairs, self.seeds, False)), list(_pick(pairs, self.seeds, True))


def _pick(pairs: Sequence[tuple[int, Any]], seeds: frozenset[int], wanted: bool) -> Iterator[Any]:
    return (value for i, value in pairs if (i in seeds) is wanted)
