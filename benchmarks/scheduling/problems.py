"""Problems of any size, made from the columns of a workload without a file in between."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.build import model_needs
from fedloom.scheduling.cluster.read import uniform_cluster
from fedloom.scheduling.problem import NEVER, Problem
from fedloom.workload.block import RequestBlock
from fedloom.workload.config.workload_config import WorkloadConfig
from request_files.workload import make_workload, read_own_config

__all__ = ["GPU_MEMORY_GB", "make_problem", "minutes_of_overload"]

GPU_MEMORY_GB = 24.0
"""Room for one of the two models at a time."""

_GPUS = 64
_OVERLOAD = 3.0
_SECONDS_PER_REQUEST = 10.2
_NODES = 2

Whole = NDArray[np.int64]


def make_problem(tasks: int, gpus: int = _GPUS) -> Problem:
    """Return a problem that arrives three times as fast as it can be done, so that queues grow.

    Args:
        tasks: how many; two for each request.
        gpus: of 24 GB, in servers of eight.
    """
    config, requests = read_own_config(), tasks // _NODES
    workload = make_workload(config, requests, minutes_of_overload(requests, gpus))
    names = list(config.workflows)
    columns = [_columns(block, names) for block in workload.blocks()]
    workflow, arrival_us, duration_us = (
        np.concatenate(parts) for parts in zip(*columns, strict=True)
    )
    none = np.full(requests, NEVER, np.int64)
    width = max(4, len(str(requests - 1)))
    return Problem(
        cluster=uniform_cluster(gpus, memory_gb=GPU_MEMORY_GB),
        models=tuple(model_needs(model) for model in config.models.values()),
        workflows=tuple(config.workflows.values()),
        node_models=_node_models(config),
        request_ids=[f"req_{number:0{width}}" for number in range(requests)],
        workflow=workflow,
        arrival_us=arrival_us - arrival_us[0],
        first_task=np.arange(requests + 1, dtype=np.int64) * _NODES,
        duration_us=duration_us.ravel(),
        estimate_us=duration_us.ravel(),
        tenant=none,
        priority=np.zeros(requests, np.int64),
        deadline_us=none,
        after=none,
        think_us=np.zeros(requests, np.int64),
        start_us=int(arrival_us[0]),
    )


def minutes_of_overload(requests: int, gpus: int = _GPUS) -> float:
    """Return the minutes in which so many requests are three times what the GPUs can do."""
    return requests * _SECONDS_PER_REQUEST / gpus / _OVERLOAD / 60


def _columns(block: RequestBlock, names: list[str]) -> tuple[Whole, Whole, Whole]:
    """Return workflow, arrival and the times of both nodes of each request."""
    workflow = np.empty(len(block), np.int64)
    duration_us = np.empty((len(block), _NODES), np.int64)
    for part in block.workflows:
        workflow[part.rows] = names.index(part.workflow.workflow_id)
        duration_us[part.rows] = np.stack([node.time_us for node in part.nodes], axis=1)
    return workflow, block.time_us, duration_us


def _node_models(config: WorkloadConfig) -> tuple[tuple[int, ...], ...]:
    places = {model_id: place for place, model_id in enumerate(config.models)}
    return tuple(
        tuple(places[node.model_id] for node in workflow.nodes)
        for workflow in config.workflows.values()
    )
