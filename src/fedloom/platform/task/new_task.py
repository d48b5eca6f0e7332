"""What somebody asks for: the seven names of the original's API, and more where they want it."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, model_validator

from fedloom.federation.algorithm import algorithm_params
from fedloom.platform.task.settings import Name, TaskSettings

__all__ = ["NewTask"]

_IN_PLAN = ("algorithm", "algorithm_params", "cohort", "local", "seed")
"""Settings that a plan says itself."""


class NewTask(TaskSettings):
    """A task as it is asked for; unknown keys are refused.

    Example:
        >>> task = NewTask(
        ...     user_id="ada", use_case="iris", model_name="iris", model_version=1,
        ...     num_global_iterations=4, run_name="first", experiment_name="Default",
        ...     algorithm="fed-prox",
        ... )
        >>> task.algorithm
        'FedProx'
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "ada",
                    "use_case": "iris",
                    "model_name": "iris",
                    "model_version": 1,
                    "num_global_iterations": 4,
                    "run_name": "first",
                    "experiment_name": "Default",
                }
            ]
        }
    )

    user_id: Name
    """Who asks."""
    use_case: Name
    """Nodes that hold data for it take part."""
    model_name: Name
    """The registered model to train."""
    model_version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """Its version, counted from 1."""
    num_global_iterations: Annotated[int, Field(ge=1, le=1_000_000)]
    """Number of rounds."""
    run_name: Name
    """Name of the parent run in the registry."""
    experiment_name: Name
    """Name of the experiment in the registry; made if it is not there."""

    @model_validator(mode="after")
    def _check_together(self) -> NewTask:
        self._check_algorithm_params()
        if self.plan is not None:
            self._check_plan()
        return self

    def _check_algorithm_params(self) -> None:
        algorithm = self.algorithm or "FedAvg"
        takes = algorithm_params(algorithm)
        for name in self.algorithm_params or {}:
            if name not in takes:
                known = ", ".join(takes) or "none"
                raise ValueError(
                    f"algorithm_params: {algorithm} does not take {name}; it takes {known}"
                )

    def _check_plan(self) -> None:
        if double := [name for name in _IN_PLAN if name in self.model_fields_set]:
            raise ValueError(
                f"plan and {', '.join(double)} exclude each other: write it in the plan"
            )
        rounds = (self.plan or {}).get("rounds", self.num_global_iterations)
        if rounds != self.num_global_iterations:
            raise ValueError(
                f"num_global_iterations is {self.num_global_iterations}, but the plan says rounds:"
                f" {rounds}; make them equal"
            )
