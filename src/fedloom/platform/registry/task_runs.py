"""A task's runs in MLflow: one for the task, below it one for the whole and one for each client."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from fedloom.platform.registry.claim import find_experiment, make_key, make_run
from fedloom.platform.registry.failures import registry_errors
from fedloom.platform.registry.metrics import ROUND, make_metrics
from fedloom.platform.registry.registry import Registry
from fedloom.platform.registry.version import Tag
from fedloom.platform.task import Task, TaskStatus

__all__ = ["TaskRuns", "find_task_run", "open_task_runs", "task_key"]

_PARENT = "mlflow.parentRunId"
_CLIENT = "fedloom.client"
_LARGEST_BATCH = 1000
_LARGEST_PAGE = 1000
_WHOLE = ""
"""Stands where a client's name would; no client has it."""

_ENDINGS = {
    TaskStatus.SUCCESS: "FINISHED",
    TaskStatus.FAILED: "FAILED",
    TaskStatus.CANCELLED: "KILLED",
}
_PARAMS = (
    "user_id",
    "use_case",
    "model_name",
    "model_version",
    "num_global_iterations",
    "algorithm",
    "seed",
)


def task_key(task: Task) -> str:
    """Return the key of a task: two databases on one registry may have a task 1 each."""
    return make_key("task", task.id, task.created_at.isoformat())


def find_task_run(registry: Registry, task: Task) -> Any:
    """Return MLflow's run of a task; make it, and its experiment, if they are not there.

    Raises:
        ConflictError: the experiment was deleted.
        LinkError: the registry cannot be reached.
    """
    experiment = find_experiment(registry, task.experiment_name)
    tags = {str(Tag.TASK): str(task.id), str(Tag.USE_CASE): task.use_case}
    return make_run(registry, experiment, task_key(task), task.run_name, tags)


def open_task_runs(registry: Registry, task: Task) -> TaskRuns:
    """Open the runs of a task, where it left off.

    Raises:
        ConflictError: the experiment was deleted.
        LinkError: the registry cannot be reached.
    """
    runs = TaskRuns(registry, task, find_task_run(registry, task))
    runs.begin()
    return runs


class TaskRuns:
    """The metrics of a task by round, safe to go on with after a crash; for one thread at a time.

    Each run keeps, with its metrics and in the same step, the round that they are of. A round that
    a run has is not written again, so after a crash the caller may hand in rounds once more.

    Args:
        registry: where.
        task: whose.
        parent: MLflow's run of the task.
    """

    def __init__(self, registry: Registry, task: Task, parent: Any) -> None:
        self._registry, self._task, self._parent = registry, task, parent
        self._children: dict[str, tuple[str, int]] = {}

    @property
    def parent_id(self) -> str:
        """Id of the task's run."""
        return str(self._parent.info.run_id)

    @property
    def last_round(self) -> int:
        """The last round whose metrics are there; 0 before the first."""
        return self._child(_WHOLE)[1]

    def begin(self) -> None:
        """Look what is there, and say that the task is being worked on.

        Raises:
            LinkError: the registry cannot be reached.
        """
        client = self._registry.client()
        with self._errors("open"):
            self._children = dict(self._list_children())
            if self._parent.info.status != "RUNNING":
                for run_id in self._list_ids():
                    client.update_run(run_id, status="RUNNING")
            client.log_batch(self.parent_id, params=_make_params(self._task))
        self._child(_WHOLE)

    def log_round(
        self,
        round_number: int,
        metrics: Mapping[str, Any],
        clients: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Write the metrics of a round, each at the step of its number.

        Args:
            round_number: counted from 1.
            metrics: of the whole, by name; what is no number is left out.
            clients: of each client, by name.
            at: when the round ended; now by default.

        Raises:
            LinkError: the registry cannot be reached.
        """
        moment = at or datetime.now(UTC)
        for name, reported in (clients or {}).items():
            self._log(name, round_number, reported, moment)
        # Last, so that `last_round` speaks for all.
        self._log(_WHOLE, round_number, metrics, moment)

    def end(self, status: TaskStatus) -> None:
        """Close all runs of the task.

        Args:
            status: a final one.

        Raises:
            LinkError: the registry cannot be reached.
        """
        client = self._registry.client()
        with self._errors("end"):
            for run_id in self._list_ids():
                client.set_terminated(run_id, _ENDINGS[status])

    def _log(self, name: str, number: int, metrics: Mapping[str, Any], at: datetime) -> None:
        run_id, last = self._child(name)
        if number <= last:
            return
        made = make_metrics(metrics, number, at)
        client = self._registry.client()
        with self._errors(f"write round {number} of"):
            for begin in range(0, len(made), _LARGEST_BATCH):
                client.log_batch(run_id, metrics=made[begin : begin + _LARGEST_BATCH])
        self._children[name] = (run_id, number)

    def _child(self, name: str) -> tuple[str, int]:
        """Return the run of a client, or of the whole, and the last round that it has."""
        if name not in self._children:
            kind = "global" if name == _WHOLE else "client"
            key = make_key(task_key(self._task), kind, name)
            tags = {_PARENT: self.parent_id, _CLIENT: name}
            experiment = self._parent.info.experiment_id
            run = make_run(self._registry, experiment, key, name or "global", tags)
            self._children[name] = (run.info.run_id, 0)
        return self._children[name]

    def _list_children(self) -> Iterator[tuple[str, tuple[str, int]]]:
        client, token = self._registry.client(), None
        wanted = f"tags.`{_PARENT}` = '{self.parent_id}'"
        while True:
            experiment = self._parent.info.experiment_id
            page = client.search_runs(
                [experiment], wanted, max_results=_LARGEST_PAGE, page_token=token
            )
            for run in page:
                if (name := run.data.tags.get(_CLIENT)) is not None:
                    yield name, (run.info.run_id, int(run.data.metrics.get(ROUND, 0)))
            token = page.token
            if not token:
                return

    def _list_ids(self) -> list[str]:
        return [*(run_id for run_id, _ in self._children.values()), self.parent_id]

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return registry_errors(self._registry.address, f"{doing} the runs of task {self._task.id}")


def _make_params(task: Task) -> list[Any]:
    from mlflow.entities import Param

    given = ((name, getattr(task, name)) for name in _PARAMS)
    return [Param(name, str(value)) for name, value in given if value is not None]
