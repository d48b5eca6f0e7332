"""A task as it is asked for over HTTP."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fedloom.platform.task import Name, TaskSettings

__all__ = ["Deleted", "TaskRequest"]

_OF_PLAN = (
    "use_case",
    "model_name",
    "model_version",
    "num_global_iterations",
    "run_name",
    "experiment_name",
)
_EXAMPLE: dict[str, JsonValue] = {
    "use_case": "iris",
    "model_name": "iris",
    "model_version": 1,
    "num_global_iterations": 4,
    "run_name": "first",
    "experiment_name": "Default",
}


class TaskRequest(TaskSettings):
    """A task as it is asked for; without a plan, all of the seven but `user_id` must be there."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": list(_OF_PLAN)}, {"required": ["plan"]}],
            "examples": [
                _EXAMPLE,
                {**_EXAMPLE, "algorithm": "FedAdam", "cohort": 0.5, "local": {"epochs": 2}},
                {"plan": {"dataset": "digits", "model": "mlp", "rounds": 5}},
            ],
        }
    )

    user_id: Name = Field("", description="Who asks; the token's own user if not given.")
    use_case: Name = Field("", description="Nodes that hold data for it take part.")
    model_name: Name = Field("", description="The registered model to train.")
    model_version: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(
        1, description="Its version, counted from 1."
    )
    num_global_iterations: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        1, description="Number of rounds."
    )
    run_name: Name = Field("", description="Name of the parent run in the registry.")
    experiment_name: Name = Field("", description="Name of the experiment; made if not there.")


class Deleted(BaseModel):
    """How much was deleted."""

    deleted: int
