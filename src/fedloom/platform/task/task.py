"""What the platform says about a task."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fedloom.platform.task.settings import TaskSettings, UtcTime
from fedloom.platform.task.status import TaskStatus

__all__ = ["Task", "TaskResult"]


class TaskResult(BaseModel):
    """What a finished task leaves.

    Example:
        >>> TaskResult(model="trained_iris", version=2, metrics={"score": 0.97}).version
        2
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    model: str | None = None
    """Name of the registered model that the last aggregate was published under."""
    version: int | None = None
    """Its version."""
    records: str | None = None
    """Where the records are: the run's folder, or an address in the artifact store."""
    metrics: dict[str, Any] = Field(default_factory=dict)
    """The last round's numbers, by name."""


class Task(TaskSettings):
    """A task and what became of it, as it was when it was read; all times are UTC.

    The lease (`lease_owner`, `lease_until`) is the coordinators' affair: it is neither in what is
    dumped nor in the JSON Schema.
    """

    # What a newer server adds must not break an older reader.
    model_config = ConfigDict(extra="ignore")

    id: int
    """Counted from 1; never used again."""
    user_id: str
    """Who asked."""
    use_case: str
    """Nodes that hold data for it take part."""
    model_name: str
    """The registered model to train."""
    model_version: int
    """Its version."""
    num_global_iterations: int
    """Number of rounds asked for."""
    run_name: str
    """Name of the parent run in the registry."""
    experiment_name: str
    """Name of the experiment in the registry."""
    status: TaskStatus
    """Where it stands."""
    reason: str | None = None
    """Why it failed or was cancelled."""
    created_at: UtcTime
    """When it was asked for."""
    started_at: UtcTime | None = None
    """When a coordinator first took it."""
    finished_at: UtcTime | None = None
    """When it came to its final status."""
    attempt: int = 0
    """How often a coordinator has taken it: 1, and more after crashes."""
    rounds_done: int = 0
    """The last finished round."""
    result_model: str | None = None
    """Name of the registered model that holds the result."""
    result_version: int | None = None
    """Its version."""
    records: str | None = None
    """Where the records are."""
    metrics: dict[str, Any] = Field(default_factory=dict)
    """The last round's numbers, by name."""
    lease_owner: str | None = Field(default=None, exclude=True, repr=False)
    """The coordinator that has it."""
    lease_until: datetime | None = Field(default=None, exclude=True, repr=False)
    """When another may take it."""
