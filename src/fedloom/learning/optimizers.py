"""The local optimizers by name."""

from __future__ import annotations

from typing import Any

import optax

from fedloom.learning.model_names import OPTIMIZER_NAMES
from fedloom.naming import match_name

__all__ = ["build_optimizer"]

MOMENTUM = 0.9
"""Of the local optimizer `momentum`."""


def build_optimizer(name: str, learning_rate: float) -> Any:
    """Return an optax transformation; each client starts it anew in every round.

    Args:
        name: ``sgd``, ``momentum`` (0.9) or ``adam`` (optax' defaults), in any case.
        learning_rate: step size, above 0.

    Raises:
        UnknownNameError: no optimizer has that name.
    """
    match match_name("optimizer", name, OPTIMIZER_NAMES):
        case "sgd":
            return optax.sgd(learning_rate)
        case "momentum":
            return optax.sgd(learning_rate, momentum=MOMENTUM)
        case _:
            return optax.adam(learning_rate)
