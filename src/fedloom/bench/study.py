"""A study: one plan carried out for a grid of backends, strategies and numbers of clients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fedloom.bench.cell_id import Cell
from fedloom.errors import InputError
from fedloom.experiment.plan import ALGORITHM_PARAMETERS, Plan, make_plan
from fedloom.federation.algorithm import algorithm_names, algorithm_params
from fedloom.learning.model_names import BACKEND_NAMES
from fedloom.naming import fold_name, match_name

__all__ = ["STRATEGIES", "FleetKind", "ProviderName", "Study"]

STRATEGIES = ("FedAvg", "FedAvgM", "FedAdagrad", "FedAdam")
"""The strategies of the studied system, in its order."""

_GRID = ("backend", "algorithm", "clients", "rounds", "seed", "fleet", "output", "output_dir")
"""Fields of a plan that the study itself sets."""

_DEFAULTS: Mapping[str, Any] = {
    "epochs": 1,
    "optimizer": "adam",
    "learning_rate": 0.003,
    "local_evaluation": "none",
    "weights": "global",
}
"""What a study's plan says where its author does not."""

_TABLES = ("iris", "wine", "breast_cancer", "diabetes")

Count = Annotated[int, Field(ge=1)]


class ProviderName(StrEnum):
    """Whose machines the study runs on."""

    LOCAL = "local"
    AWS = "aws"


class FleetKind(StrEnum):
    """Where the clients of a cell are: each in a process of its own, or in lanes on Ray."""

    FLOWER = "flower"
    RAY = "ray"


class Study(BaseModel):
    """What is compared, and on which experiment; unknown keys are refused.

    Example:
        >>> study = Study(n_client_instances=(2, 5), strategy=("FedAvg", "fed-adam"))
        >>> [cell.id for cell in study.cells()]
        ['jax-FedAvg-2', 'jax-FedAdam-2', 'jax-FedAvg-5', 'jax-FedAdam-5']
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    backend: tuple[str, ...] = ("jax",)
    """What computes: jax, torch, tensorflow."""
    strategy: tuple[str, ...] = STRATEGIES
    """Federated algorithms, carried out in this order."""
    n_client_instances: tuple[Count, ...]
    """Numbers of clients: each is a process or a machine, and holds one shard."""
    num_rounds: Count = 10
    """Rounds of every cell."""
    repeats: Count = 1
    """Times that every cell is carried out, each with another seed."""
    seed: Annotated[int, Field(ge=0)] = 42
    """Seed of the first repeat; each further one adds 1."""
    target_score: Annotated[float, Field(le=1.0, allow_inf_nan=False)] | None = None
    """Score whose first reaching is timed."""
    fleet: FleetKind = FleetKind.FLOWER
    """flower: a process or machine per client; ray: all of them in lanes on a Ray cluster."""
    algorithm_params: dict[str, float] = Field(default_factory=dict)
    """Numbers of the strategies, such as server_momentum; each goes to those that take it."""
    plan: Plan = Field(default_factory=lambda: _complete_plan({}))
    """The experiment that all cells have in common."""

    @model_validator(mode="before")
    @classmethod
    def _part_plan(cls, values: Any) -> Any:
        """Numbers of strategies may stand in the plan; no single strategy takes all of them."""
        if not isinstance(values, dict) or not isinstance(values.get("plan"), Mapping):
            return values
        plan = dict(values["plan"])
        found = {name: plan.pop(name) for name in ALGORITHM_PARAMETERS if name in plan}
        given = {name: number for name, number in found.items() if number is not None}
        both = {**given, **values.get("algorithm_params", {})}
        more = {"algorithm_params": both} if both else {}
        return {**values, **more, "plan": _complete_plan(plan)}

    @field_validator("fleet", mode="before")
    @classmethod
    def _match_fleet(cls, value: Any) -> Any:
        return match_name("fleet", value, list(FleetKind)) if isinstance(value, str) else value

    @field_validator("backend", "strategy", "n_client_instances", mode="before")
    @classmethod
    def _accept_one(cls, values: Any) -> Any:
        """A single value is a list of one."""
        return (values,) if isinstance(values, str | int) else values

    @field_validator("backend")
    @classmethod
    def _match_backends(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(match_name("backend", value, BACKEND_NAMES) for value in values)

    @field_validator("strategy")
    @classmethod
    def _match_strategies(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(match_name("strategy", value, algorithm_names()) for value in values)

    @field_validator("backend", "strategy", "n_client_instances")
    @classmethod
    def _refuse_nothing_or_twice(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if not values or len(set(values)) < len(values):
            raise InputError(f"{', '.join(map(str, values)) or 'nothing'}: each value once, please")
        return values

    @model_validator(mode="after")
    def _check_params(self) -> Study:
        for name in self.algorithm_params:
            if not any(name in algorithm_params(strategy) for strategy in self.strategy):
                strategies = ", ".join(self.strategy)
                raise InputError(f"algorithm_params.{name}: none of {strategies} takes it")
        if self.plan.package is not None:
            raise InputError("plan.package: a study trains models of Keras on its backends")
        return self

    def cells(self) -> Iterator[Cell]:
        """Yield the cells in the order in which they are carried out.

        Cells that can use the same machines follow each other.
        """
        for backend in self.backend:
            for clients in self.n_client_instances:
                for repeat in range(1, self.repeats + 1):
                    for strategy in self.strategy:
                        yield Cell(backend, strategy, clients, repeat)

    def plan_of(self, cell: Cell) -> Plan:
        """Return the plan of one cell.

        Raises:
            InputError: something in it does not go together for this cell.
        """
        shared = self.plan.model_dump(exclude_unset=True, exclude=set(_GRID))
        taken = algorithm_params(cell.strategy)
        params = {name: n for name, n in self.algorithm_params.items() if name in taken}
        return make_plan(
            {
                **shared,
                **params,
                "backend": cell.backend,
                "algorithm": cell.strategy,
                "clients": cell.clients,
                "rounds": self.num_rounds,
                "seed": self.seed + cell.repeat - 1,
                **({"fleet": "ray"} if self.fleet is FleetKind.RAY else {}),
            }
        )


def _complete_plan(given: Mapping[str, Any]) -> Plan:
    """Return a plan with the study's own defaults in the place of a plan's."""
    named = {key: value for key, value in given.items() if value is not None}
    defaults = dict(_DEFAULTS)
    if "optimizer" in named:
        del defaults["learning_rate"]  # what suits adam would barely move another
    dataset = str(named.get("dataset", "digits"))
    is_table = fold_name(dataset) in map(fold_name, _TABLES) or dataset.startswith("csv:")
    defaults["model"] = "mlp" if is_table else "cnn"
    return make_plan({**defaults, **named})
