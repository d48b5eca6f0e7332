"""The named algorithms: one recipe each, a composition of the parts in this package.

A new algorithm is a new entry of `RECIPES`; nothing else needs to know it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fedloom.errors import InputError
from fedloom.federation import objective, reduce, server
from fedloom.federation.algorithms.parameters import Params
from fedloom.federation.objective import Objective
from fedloom.federation.privacy import Privacy
from fedloom.federation.reduce import Reducer

if TYPE_CHECKING:
    import optax

__all__ = ["RECIPES", "Recipe"]

_ReducerOf: TypeAlias = Callable[[Params, int], Reducer]
"""From the parameters and the size of the cohort to a reducer."""


def _mean(params: Params, cohort: int) -> Reducer:  # noqa: ARG001 - one of the reducers below
    return reduce.mean_by_examples()


def _plain(params: Params) -> Objective:  # noqa: ARG001 - one of the objectives below
    return objective.plain()


def _step(params: Params) -> optax.GradientTransformation:
    return server.sgd(params["server_learning_rate"])


@dataclass(frozen=True)
class Recipe:
    """How a named algorithm is put together; the defaults are FedAvg.

    Attributes:
        defaults: the parameters it takes.
        objective: what its clients minimise.
        reducer: how their updates become one.
        server: how the server steps.
        privacy: clipping and noise, where it has them.
        poisson_sampling: whether clients join a round independently of each other.
        requires_sgd: whether it is right only where clients train with plain SGD.
    """

    defaults: Params
    objective: Callable[[Params], Objective] = _plain
    reducer: _ReducerOf = _mean
    server: Callable[[Params], optax.GradientTransformation] = _step
    privacy: Callable[[Params], Privacy] | None = None
    poisson_sampling: bool = False
    requires_sgd: bool = False


def _momentum(params: Params) -> optax.GradientTransformation:
    return server.sgd(params["server_learning_rate"], params["server_momentum"])


def _adagrad(params: Params) -> optax.GradientTransformation:
    return server.adagrad(params["server_learning_rate"], params["beta_1"], params["tau"])


def _adam(params: Params) -> optax.GradientTransformation:
    rate, tau = params["server_learning_rate"], params["tau"]
    return server.adam(rate, params["beta_1"], params["beta_2"], tau)


def _yogi(params: Params) -> optax.GradientTransformation:
    rate, tau = params["server_learning_rate"], params["tau"]
    return server.yogi(rate, params["beta_1"], params["beta_2"], tau)


def _krum(params: Params, cohort: int) -> Reducer:
    return reduce.krum(_possible_liars("Krum", params, cohort, cost=2))


def _multi_krum(params: Params, cohort: int) -> Reducer:
    liars = _possible_liars("MultiKrum", params, cohort, cost=2)
    selected, most = int(params["num_selected"]), cohort - liars - 2
    if selected > most:
        raise InputError(
            f"num_selected={selected}: MultiKrum with a cohort of {cohort} and "
            f"num_byzantine={liars} can average from 1 to {most} (0 means {most})"
        )
    return reduce.multi_krum(liars, selected)


def _bulyan(params: Params, cohort: int) -> Reducer:
    return reduce.bulyan(_possible_liars("Bulyan", params, cohort, cost=4))


def _possible_liars(algorithm: str, params: Params, cohort: int, *, cost: int) -> int:
    """Return `num_byzantine` if the cohort has at least ``cost × num_byzantine + 3`` clients."""
    liars = int(params["num_byzantine"])
    if cohort < (need := cost * liars + 3):
        most = (cohort - 3) // cost
        remedy = f"or num_byzantine at most {most}, " if most >= 0 else ""
        raise InputError(
            f"num_byzantine={liars}: {algorithm} needs a cohort of {cost} × num_byzantine + 3 = "
            f"{need}; a cohort of at least that, {remedy}instead of {cohort} would be right"
        )
    return liars


def _privacy(params: Params) -> Privacy:
    return Privacy(params["clip_norm"], params["noise_multiplier"], params["privacy_delta"])


_RATE: Params = {"server_learning_rate": 1.0}
_LIARS: Params = {"num_byzantine": 1, **_RATE}
_ADAPTIVE: Params = {"server_learning_rate": 0.03, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3}

RECIPES: Mapping[str, Recipe] = {
    "FedAvg": Recipe(_RATE),
    "FedAvgM": Recipe({"server_learning_rate": 1.0, "server_momentum": 0.5}, server=_momentum),
    "FedAdagrad": Recipe(
        {"server_learning_rate": 0.03, "beta_1": 0.0, "tau": 1e-3}, server=_adagrad
    ),
    "FedAdam": Recipe(_ADAPTIVE, server=_adam),
    "FedYogi": Recipe(_ADAPTIVE, server=_yogi),
    "FedProx": Recipe(
        {"proximal_mu": 0.01, **_RATE},
        objective=lambda params: objective.proximal(params["proximal_mu"]),
    ),
    "Scaffold": Recipe(_RATE, objective=lambda _: objective.scaffold(), requires_sgd=True),
    "FedMedian": Recipe(_RATE, reducer=lambda _, __: reduce.median()),
    "FedTrimmedAvg": Recipe(
        {"trim_fraction": 0.1, **_RATE},
        reducer=lambda params, _: reduce.trimmed_mean(params["trim_fraction"]),
    ),
    "GeometricMedian": Recipe(_RATE, reducer=lambda _, __: reduce.geometric_median()),
    "Krum": Recipe(_LIARS, reducer=_krum),
    "MultiKrum": Recipe({"num_byzantine": 1, "num_selected": 0, **_RATE}, reducer=_multi_krum),
    "Bulyan": Recipe(_LIARS, reducer=_bulyan),
    "DPFedAvg": Recipe(
        {"clip_norm": 1.0, "noise_multiplier": 0.1, "privacy_delta": 1e-5, **_RATE},
        reducer=lambda params, cohort: reduce.clipped_sum(params["clip_norm"], cohort),
        privacy=_privacy,
        poisson_sampling=True,
    ),
}
