"""Server optimizers: how the server steps along the aggregated difference, through optax.

Each is an optax transformation of the pseudo-gradient, that is of minus the difference which a
reducer returns; plain `sgd(1.0)` adds that difference to the global weights. optax (and with it
JAX) is imported on the first call.

Reference for the adaptive ones: Reddi et al., Adaptive Federated Optimization, ICLR 2021,
Algorithm 2. As there, the second moment starts at τ² and no bias is corrected (which is why
`optax.adam` would not do).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from fedloom.federation.weights import Array, Weights

if TYPE_CHECKING:
    import optax

__all__ = ["AdaptiveState", "adagrad", "adam", "sgd", "yogi"]

_SecondMoment: TypeAlias = Callable[[Array, Array], Array]
"""From the former second moment and the gradient's square to the new one."""


class AdaptiveState(NamedTuple):
    """First and second moment of the pseudo-gradient, each shaped as the weights."""

    mean: Weights
    square: Weights


def sgd(learning_rate: float, momentum: float = 0.0) -> optax.GradientTransformation:
    """Return gradient descent, with momentum for FedAvgM.

    Args:
        learning_rate: 1 takes the aggregated difference as it is. With momentum the step grows
            up to ``learning_rate / (1 - momentum)`` times a lasting difference.
        momentum: share of the last step that is kept, from 0 to below 1.

    Reference: Hsu, Qi and Brown, Measuring the Effects of Non-Identical Data Distribution for
    Federated Visual Classification, 2019.
    """
    import optax

    return optax.sgd(learning_rate, momentum=momentum or None)


def adagrad(learning_rate: float, beta_1: float, tau: float) -> optax.GradientTransformation:
    """Return FedAdagrad's step: the second moment is the sum of all squares.

    Args:
        learning_rate: η, about how far a coordinate moves in the first round.
        beta_1: decay of the first moment, from 0 to below 1.
        tau: adaptivity τ, positive; coordinates that change less than this barely move.
    """
    return _adaptive(learning_rate, beta_1, tau, _sum_squares)


def adam(
    learning_rate: float, beta_1: float, beta_2: float, tau: float
) -> optax.GradientTransformation:
    """Return FedAdam's step: the second moment is a decaying mean of the squares.

    Args:
        learning_rate: see `adagrad`.
        beta_1: see `adagrad`.
        beta_2: decay of the second moment, from 0 to below 1.
        tau: see `adagrad`.
    """
    return _adaptive(learning_rate, beta_1, tau, partial(_average_squares, beta_2))


def yogi(
    learning_rate: float, beta_1: float, beta_2: float, tau: float
) -> optax.GradientTransformation:
    """Return FedYogi's step: the second moment moves towards the square by a bounded amount.

    The arguments are those of `adam`.
    """
    return _adaptive(learning_rate, beta_1, tau, partial(_approach_squares, beta_2))


def _adaptive(
    learning_rate: float, beta_1: float, tau: float, renew: _SecondMoment
) -> optax.GradientTransformation:
    import optax

    moments = optax.GradientTransformation(
        partial(_begin, tau), partial(_divide_by_root, beta_1, tau, renew)
    )
    return optax.chain(moments, optax.scale(-learning_rate))


def _begin(tau: float, weights: Weights) -> AdaptiveState:
    return AdaptiveState([w * 0 for w in weights], [w * 0 + tau * tau for w in weights])


def _divide_by_root(
    beta_1: float,
    tau: float,
    renew: _SecondMoment,
    gradient: Weights,
    state: AdaptiveState,
    params: Any = None,  # noqa: ARG001 - optax passes it
) -> tuple[Weights, AdaptiveState]:
    mean = [beta_1 * m + (1 - beta_1) * g for m, g in zip(state.mean, gradient, strict=True)]
    square = [renew(v, g * g) for v, g in zip(state.square, gradient, strict=True)]
    step = [m / (v**0.5 + tau) for m, v in zip(mean, square, strict=True)]
    return step, AdaptiveState(mean, square)


def _sum_squares(square: Array, new: Array) -> Array:
    return square + new


def _average_squares(beta_2: float, square: Array, new: Array) -> Array:
    return beta_2 * square + (1 - beta_2) * new


def _approach_squares(beta_2: float, square: Array, new: Array) -> Array:
    sign = (square > new) * 1.0 - (square < new) * 1.0
    return square - (1 - beta_2) * (new * sign).astype(square.dtype)
