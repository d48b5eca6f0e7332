"""Collecting statistics from requests that come as objects, as files give them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fedloom.errors import InputError
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.units import to_microseconds, to_seconds

if TYPE_CHECKING:
    from fedloom.workload.statistics.collect import WorkloadStats

__all__ = ["add_rows"]

_MOST = 2**53
"""Of tokens in a call; more than any trace has, and still a whole number as a float."""


def add_rows(stats: WorkloadStats, requests: Sequence[Request]) -> None:
    """Take in some requests, those of one workflow together.

    Raises:
        InputError: a request calls a workflow or a node that the configuration lacks, or its
            metadata are not as they should be.
    """
    stats.total += len(requests)
    time_us = np.fromiter((request.time_us for request in requests), np.int64, len(requests))
    stats.gaps.add(time_us)
    by_workflow: dict[str, list[int]] = {}
    for position, request in enumerate(requests):
        by_workflow.setdefault(request.workflow_id, []).append(position)
    for workflow, positions in by_workflow.items():
        stats.arrivals.add(workflow, np.maximum(time_us[positions] - stats.gaps.first_us, 0))
        _add_workflow(stats, workflow, [requests[position] for position in positions])
    _add_metadata(stats, requests)


def _add_workflow(stats: WorkloadStats, workflow: str, requests: Sequence[Request]) -> None:
    stats.workflows[workflow] += len(requests)
    node_us: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for request in requests:
        for node, seconds in request.node_execution_times.items():
            calls[node] += 1
            node_us[node] += to_microseconds(seconds)
    stats.total_seconds[workflow].add(
        np.asarray([sum(request.node_execution_times.values()) for request in requests], np.float64)
    )
    if stats.config is not None:
        models = _models_by_node(stats.config, requests[0])
        for node, count in calls.items():
            if node not in models:
                raise _foreign_node(stats.config, requests, node)
            stats.add_calls(models[node], count, node_us[node])
    paths = [_critical_path_s(stats.config, request) for request in requests]
    known = [path for path in paths if path is not None]
    stats.critical_seconds[workflow].add(np.asarray(known, np.float64))


def _critical_path_s(config: WorkloadConfig | None, request: Request) -> float | None:
    """Return the stated longest path, or that through the graph; files of old state none."""
    stated = request.metadata.get("critical_path_time")
    if stated is not None or config is None:
        return stated
    times = request.node_execution_times
    workflow = config.workflows[request.workflow_id]
    path_us = workflow.critical_path(
        [to_microseconds(times.get(node.node_id, 0.0)) for node in workflow.nodes]
    )
    return to_seconds(path_us)


def _models_by_node(config: WorkloadConfig, request: Request) -> Mapping[str, str]:
    workflow = config.workflows.get(request.workflow_id)
    if workflow is None:
        known = ", ".join(config.workflows)
        raise InputError(
            f"request {request.request_id}: {config.name} has no workflow "
            f"{request.workflow_id!r}; it has {known}"
        )
    return {node.node_id: node.model_id for node in workflow.nodes}


def _foreign_node(config: WorkloadConfig, requests: Iterable[Request], node: str) -> InputError:
    request = next(request for request in requests if node in request.node_execution_times)
    return InputError(
        f"request {request.request_id}: node {node!r} is not in workflow "
        f"{request.workflow_id!r} of {config.name}; give the configuration that the requests "
        "were made from"
    )


def _add_metadata(stats: WorkloadStats, requests: Iterable[Request]) -> None:
    bases: Counter[tuple[str, ...]] = Counter()
    tokens: dict[str, list[int]] = {}
    for request in requests:
        metadata = request.metadata
        if (used := metadata.get("base_models_used")) is not None:
            bases[_names(request, used)] += 1
        if (tenant := metadata.get("tenant")) is not None:
            stats.tenants[str(tenant)] += 1
        if (counted := metadata.get("node_tokens")) is not None:
            _collect_tokens(request, counted, tokens)
    for names, count in bases.items():
        for name in names:
            stats.bases[name] += count
    for kind, counts in tokens.items():
        stats.add_tokens(kind, np.asarray(counts, np.int64))


def _names(request: Request, used: Any) -> tuple[str, ...]:
    if not isinstance(used, list | tuple):
        raise _wrong(request, "base_models_used", used, "a list of names")
    return tuple(map(str, used))


def _collect_tokens(request: Request, counted: Any, tokens: dict[str, list[int]]) -> None:
    if not isinstance(counted, Mapping):
        raise _wrong(request, "node_tokens", counted, "a map from nodes to tokens")
    for node, kinds in counted.items():
        if not isinstance(kinds, Mapping):
            raise _wrong(request, f"node_tokens.{node}", kinds, "a map of input and output")
        for kind, count in kinds.items():
            if type(count) is not int or not 0 <= count < _MOST:
                raise _wrong(request, f"node_tokens.{node}.{kind}", count, "a whole number")
            tokens.setdefault(kind, []).append(count)


def _wrong(request: Request, field: str, value: Any, right: str) -> InputError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    return InputError(
        f"request {request.request_id}: metadata.{field} is {shown}; {right} is right"
    )
