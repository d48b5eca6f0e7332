"""The local optimizers in arithmetic alone, with optax' constants and conventions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fedloom.learning.model_names import OPTIMIZER_NAMES
from fedloom.naming import match_name

__all__ = ["PortableOptimizer", "build_portable_optimizer"]

MOMENTUM = 0.9
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8

Arrays: TypeAlias = list[Any]


@dataclass(frozen=True)
class PortableOptimizer:
    """A local optimizer as two functions; each client starts it anew in every round.

    Attributes:
        init: from the trainable arrays and a scalar zero to the state.
        step: (gradient, state, arrays) → (moved arrays, new state).
    """

    init: Callable[[Arrays, Any], Any]
    step: Callable[[Arrays, Any, Arrays], tuple[Arrays, Any]]


def build_portable_optimizer(name: str, learning_rate: float) -> PortableOptimizer:
    """Return the counterpart of `fedloom.learning.optimizers.build_optimizer`.

    Args:
        name: ``sgd``, ``momentum`` (0.9) or ``adam``, in any case.
        learning_rate: step size, above 0.

    Raises:
        UnknownNameError: no optimizer has that name.
    """
    match match_name("optimizer", name, OPTIMIZER_NAMES):
        case "sgd":
            return PortableOptimizer(_nothing, lambda g, s, w: (_move(w, g, learning_rate), s))
        case "momentum":
            return PortableOptimizer(_zeros, lambda g, s, w: _roll(g, s, w, learning_rate))
        case _:
            return PortableOptimizer(_moments, lambda g, s, w: _adapt(g, s, w, learning_rate))


def _nothing(arrays: Arrays, zero: Any) -> Any:  # noqa: ARG001 - the shape of `init`
    return ()


def _zeros(arrays: Arrays, zero: Any) -> Any:  # noqa: ARG001
    return [array * 0 for array in arrays]


def _moments(arrays: Arrays, zero: Any) -> Any:
    """The powers of both decays so far, and both moments."""
    return zero + 1, zero + 1, _zeros(arrays, zero), _zeros(arrays, zero)


def _move(arrays: Arrays, steps: Sequence[Any], rate: float) -> Arrays:
    return [w - rate * s for w, s in zip(arrays, steps, strict=True)]


def _roll(gradient: Arrays, speeds: Any, arrays: Arrays, rate: float) -> tuple[Arrays, Any]:
    speeds = [g + MOMENTUM * s for g, s in zip(gradient, speeds, strict=True)]
    return _move(arrays, speeds, rate), speeds


def _adapt(gradient: Arrays, state: Any, arrays: Arrays, rate: float) -> tuple[Arrays, Any]:
    """Kingma, Ba: Adam, ICLR 2015, Algorithm 1."""
    power_1, power_2, first, second = state
    power_1, power_2 = power_1 * BETA_1, power_2 * BETA_2
    first = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(first, gradient, strict=True)]
    second = [BETA_2 * v + (1 - BETA_2) * g * g for v, g in zip(second, gradient, strict=True)]
    scale_1, scale_2 = 1 / (1 - power_1), 1 / (1 - power_2)
    moments = zip(first, second, strict=True)
    steps = [m * scale_1 / ((v * scale_2) ** 0.5 + EPSILON) for m, v in moments]
    return _move(arrays, steps, rate), (power_1, power_2, first, second)
