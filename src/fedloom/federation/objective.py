"""Objectives: what a client minimises, as a correction of the gradient of its own loss.

An objective is a few functions over lists of arrays. They use the arrays' operators alone, so the
same functions run on NumPy arrays in a process and on tracers inside a compiled round. All lists
hold the trainable arrays of the model, in its order; ``()`` stands for nothing to remember.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from fedloom.federation.weights import Array, Weights

__all__ = ["Objective", "plain", "proximal", "scaffold"]

Variates: TypeAlias = Any
"""A list of arrays shaped as the trainable weights, or ``()``."""


@dataclass(frozen=True)
class Objective:
    """What a client minimises, and what it and the server remember for that.

    In a round, a client computes ``correct(gradient, …)`` in every step and ``finish_client`` once.
    The fleet averages the drifts over the participants, weighted by examples, and the loop hands
    the average to ``finish_round``.

    Attributes:
        name: what it is called in messages.
        stateful: whether clients remember something between rounds; the fleet keeps it then.
        init_client: from weights to the state of a client that has not trained yet.
        init_shared: from weights to what the server sends to all clients in the first round.
        correct: (gradient, weights, global_weights, client_state, shared) → gradient to step along.
        finish_client: (client_state, shared, global_weights, weights, steps, learning_rate) →
            (new client_state, drift); `steps` is the number of steps the client made.
        finish_round: (shared, mean_drift, fraction) → new shared; `fraction` is the participants'
            examples over the examples of all clients.
    """

    name: str
    stateful: bool
    init_client: Callable[[Weights], Variates]
    init_shared: Callable[[Weights], Variates]
    correct: Callable[[Weights, Weights, Weights, Variates, Variates], Weights]
    finish_client: Callable[
        [Variates, Variates, Weights, Weights, Array, float], tuple[Variates, Variates]
    ]
    finish_round: Callable[[Variates, Variates, float], Variates]


def plain() -> Objective:
    """Return the client's own loss, uncorrected."""
    return Objective(
        name="plain",
        stateful=False,
        init_client=_nothing,
        init_shared=_nothing,
        correct=_keep_gradient,
        finish_client=_forget_client,
        finish_round=_keep_shared,
    )


def proximal(mu: float) -> Objective:
    """Return the client's loss plus ``mu / 2 · ‖w − w_global‖²``, whose gradient is added here.

    Args:
        mu: pull towards the global weights, at least 0; 0 is `plain`.

    Reference: Li et al., Federated Optimization in Heterogeneous Networks, MLSys 2020, equation 2.
    """
    return Objective(
        name="proximal",
        stateful=False,
        init_client=_nothing,
        init_shared=_nothing,
        correct=partial(_pull_back, mu),
        finish_client=_forget_client,
        finish_round=_keep_shared,
    )


def scaffold() -> Objective:
    """Return the client's loss corrected by control variates, for plain SGD.

    A client's variate cᵢ estimates its own gradient, the shared one c that of all clients; every
    step follows ``g − cᵢ + c``. After K steps of size η from x to y the client sets
    ``cᵢ⁺ = cᵢ − c + (x − y) / (K η)`` (option II), and its drift is ``cᵢ⁺ − cᵢ``.

    The paper weighs all clients alike; here everything is weighted by examples, as the mean of the
    updates is: c stays the weighted mean of all cᵢ, because it moves by the participants' mean
    drift times their fraction of all examples.

    Reference: Karimireddy et al., SCAFFOLD: Stochastic Controlled Averaging for Federated Learning,
    ICML 2020, Algorithm 1.
    """
    return Objective(
        name="scaffold",
        stateful=True,
        init_client=_zeros,
        init_shared=_zeros,
        correct=_follow_variates,
        finish_client=_renew_variate,
        finish_round=_renew_shared,
    )


def _nothing(weights: Weights) -> Variates:  # noqa: ARG001 - the shape of Objective.init_client
    return ()


def _zeros(weights: Weights) -> Variates:
    # w < w is False even where w is NaN or infinite; w * 0 would not be zero there.
    return [(w < w).astype(w.dtype) for w in weights]


def _keep_gradient(
    gradient: Weights,
    weights: Weights,  # noqa: ARG001 - the shape of Objective.correct
    global_weights: Weights,  # noqa: ARG001
    client_state: Variates,  # noqa: ARG001
    shared: Variates,  # noqa: ARG001
) -> Weights:
    return gradient


def _pull_back(
    mu: float,
    gradient: Weights,
    weights: Weights,
    global_weights: Weights,
    client_state: Variates,  # noqa: ARG001 - the shape of Objective.correct
    shared: Variates,  # noqa: ARG001
) -> Weights:
    parts = zip(gradient, weights, global_weights, strict=True)
    return [g + mu * (w - start) for g, w, start in parts]


def _follow_variates(
    gradient: Weights,
    weights: Weights,  # noqa: ARG001 - the shape of Objective.correct
    global_weights: Weights,  # noqa: ARG001
    client_state: Variates,
    shared: Variates,
) -> Weights:
    return [g - own + c for g, own, c in zip(gradient, client_state, shared, strict=True)]


def _forget_client(
    client_state: Variates,
    shared: Variates,  # noqa: ARG001 - the shape of Objective.finish_client
    global_weights: Weights,  # noqa: ARG001
    weights: Weights,  # noqa: ARG001
    steps: Array,  # noqa: ARG001
    learning_rate: float,  # noqa: ARG001
) -> tuple[Variates, Variates]:
    return client_state, ()


def _renew_variate(
    client_state: Variates,
    shared: Variates,
    global_weights: Weights,
    weights: Weights,
    steps: Array,
    learning_rate: float,
) -> tuple[Variates, Variates]:
    length = (steps + (steps == 0)) * learning_rate  # no step: no movement to divide
    parts = zip(shared, global_weights, weights, strict=True)
    drift = [((x - y) / length - c).astype(x.dtype) for c, x, y in parts]
    return [own + d for own, d in zip(client_state, drift, strict=True)], drift


def _keep_shared(
    shared: Variates,
    mean_drift: Variates,  # noqa: ARG001 - the shape of Objective.finish_round
    fraction: float,  # noqa: ARG001
) -> Variates:
    return shared


def _renew_shared(shared: Variates, mean_drift: Variates, fraction: float) -> Variates:
    parts = zip(shared, mean_drift, strict=True)
    return [(c + fraction * d).astype(c.dtype) for c, d in parts]
