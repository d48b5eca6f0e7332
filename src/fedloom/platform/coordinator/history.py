"""The history of tasks as a workload, on which scheduling policies can be tried out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import mean, pstdev
from typing import Any

from fedloom.platform.task import Task

__all__ = ["export_history"]

_LEAST_S = 0.000_001


def export_history(
    tasks: Sequence[Task], rounds: Mapping[int, Sequence[Mapping[str, Any]]]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a configuration and requests as `fedloom schedule` takes them.

    A registered model is a service model with as many GPUs as its rounds had clients; where that
    differs, a service model for each number. A task is a request of one node, whose time is what
    the task ran. Tasks that never finished a round are left out.

    Args:
        tasks: any; those that have not ended are left out.
        rounds: the rows of their rounds, by the tasks' numbers.

    Returns:
        The content of a configuration file, and of a file of requests, by time.
    """
    ended = [t for t in tasks if t.started_at and t.finished_at and rounds.get(t.id)]
    times: dict[str, list[float]] = defaultdict(list)
    models: dict[str, dict[str, Any]] = {}
    requests = []
    for task in sorted(ended, key=lambda one: (one.created_at, one.id)):
        clients = max(1, *(int(row.get("cohort_size") or 1) for row in rounds[task.id]))
        model = f"{task.model_name}-{clients}"
        models[model] = _describe(task, clients)
        seconds = _measure(task)
        times[model].append(seconds)
        requests.append(_make_request(task, model, seconds))
    for model, spans in times.items():
        models[model] |= {
            "inference_time_mean": round(mean(spans), 6),
            "inference_time_std": round(pstdev(spans), 6),
        }
    workflows = {
        model: {
            "name": f"a task of {described['name']}",
            "nodes": [{"id": "task", "model": model}],
            "edges": [],
        }
        for model, described in models.items()
    }
    tenants = {task.user_id: {"weight": 1} for task in ended}
    config = {
        "name": "task history",
        "description": "Tasks of a Fedloom platform; a GPU stands for a client's slot.",
        "models": models,
        "workflows": workflows,
        **({"tenants": tenants} if tenants else {}),
    }
    return config, requests


def _describe(task: Task, clients: int) -> dict[str, Any]:
    return {
        "name": task.model_name,
        "type": "federated",
        # Nothing has to be loaded, and slots hold any number of models.
        "memory_gb": 0.001,
        "load_time_seconds": 0,
        "gpus_required": clients,
    }


def _measure(task: Task) -> float:
    assert task.started_at is not None
    assert task.finished_at is not None
    return round(max(_LEAST_S, (task.finished_at - task.started_at).total_seconds()), 6)


def _make_request(task: Task, model: str, seconds: float) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "base_models_used": [model],
        "total_estimated_time": seconds,
        "critical_path_time": seconds,
        "tenant": task.user_id,
        "priority": task.priority,
    }
    if task.deadline is not None:
        metadata["deadline"] = _spell(task.deadline)
    return {
        "request_id": f"task_{task.id}",
        "timestamp": _spell(task.created_at),
        "workflow_id": model,
        "input_data": {},
        "node_configs": {},
        "node_execution_times": {"task": seconds},
        "metadata": metadata,
    }


def _spell(moment: Any) -> str:
    """Return a time as request files have it: UTC without a zone, six decimals."""
    return str(moment.replace(tzinfo=None).isoformat(timespec="microseconds"))
