"""An algorithm is data: an objective, a reducer, a server optimizer, and perhaps privacy.

FedAvg, FedAdam, Krum and the others are compositions of the same few parts; the recipes are in
`fedloom.federation.algorithms`. An `Algorithm` holds functions and numbers, no state: what a run
remembers (the server optimizer's moments, SCAFFOLD's variates) is a pytree beside the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from fedloom.errors import InputError
from fedloom.federation.algorithms import RECIPES, Params
from fedloom.federation.algorithms.parameters import resolve_params
from fedloom.federation.objective import Objective
from fedloom.federation.privacy import Privacy
from fedloom.federation.reduce import Reducer
from fedloom.naming import match_name

if TYPE_CHECKING:
    import optax

__all__ = [
    "Algorithm",
    "algorithm_names",
    "algorithm_params",
    "build_algorithm",
    "build_objective",
]


@dataclass(frozen=True)
class Algorithm:
    """How clients learn together.

    Attributes:
        name: its canonical name.
        objective: what the clients minimise.
        reducer: how their updates become one difference.
        server: how the server steps along minus that difference, the pseudo-gradient.
        privacy: clipping and noise, or None.
        poisson_sampling: whether each client joins a round independently of the others.
        requires_sgd: whether it is right only where clients train with plain SGD.
        params: its parameters after defaults.
    """

    name: str
    objective: Objective
    reducer: Reducer
    server: optax.GradientTransformation
    privacy: Privacy | None = None
    poisson_sampling: bool = False
    requires_sgd: bool = False
    params: Mapping[str, float | int] = field(default_factory=dict)


def algorithm_names() -> list[str]:
    """Return the canonical names."""
    return list(RECIPES)


def algorithm_params(name: str) -> dict[str, float | int]:
    """Return the parameters that an algorithm takes, with their defaults.

    Raises:
        UnknownNameError: there is no such algorithm.

    Example:
        >>> algorithm_params("fedavgm")
        {'server_learning_rate': 1.0, 'server_momentum': 0.5}
    """
    return dict(RECIPES[match_name("algorithm", name, RECIPES)].defaults)


def build_objective(name: str, *, params: Params = MappingProxyType({})) -> Objective:
    """Return what the clients of an algorithm minimise; all that one of them needs to know of it.

    Args:
        name: of the algorithm, as in `build_algorithm`.
        params: parameters that differ from the defaults.

    Raises:
        UnknownNameError: there is no such algorithm, or no such parameter.
        InputError: a number is out of its range.
    """
    canonical = match_name("algorithm", name, RECIPES)
    recipe = RECIPES[canonical]
    return recipe.objective(resolve_params(canonical, recipe.defaults, params))


def build_algorithm(
    name: str, *, clients: int, cohort: int, params: Params = MappingProxyType({})
) -> Algorithm:
    """Return the algorithm of that name for so many clients.

    Args:
        name: its name, without regard to case, hyphens and underscores.
        clients: how many there are.
        cohort: how many of them a round has; the expected number under Poisson sampling.
        params: parameters that differ from the defaults of `algorithm_params`.

    Raises:
        UnknownNameError: there is no such algorithm, or no such parameter.
        InputError: a parameter is not this algorithm's, a number is out of its range, or the
            cohort is too small for it.

    Example:
        >>> algorithm = build_algorithm("fed-prox", clients=20, cohort=10)
        >>> algorithm.name, algorithm.reducer.name, algorithm.params["proximal_mu"]
        ('FedProx', 'mean_by_examples', 0.01)
    """
    canonical = match_name("algorithm", name, RECIPES)
    if not 1 <= cohort <= clients:
        raise InputError(f"cohort={cohort}: from 1 to {clients}, the clients, would be right")
    recipe = RECIPES[canonical]
    chosen = resolve_params(canonical, recipe.defaults, params)
    return Algorithm(
        name=canonical,
        objective=recipe.objective(chosen),
        reducer=recipe.reducer(chosen, cohort),
        server=recipe.server(chosen),
        privacy=recipe.privacy(chosen) if recipe.privacy else None,
        poisson_sampling=recipe.poisson_sampling,
        requires_sgd=recipe.requires_sgd,
        params=chosen,
    )
