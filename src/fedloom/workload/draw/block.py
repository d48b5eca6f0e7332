"""Drawing a whole block of requests: everything but when they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.randomness import derive_generator
from fedloom.workload.block import (
    ClosedLoopColumns,
    NodeColumns,
    RequestBlock,
    WorkflowColumns,
)
from fedloom.workload.config.workflow import Workflow
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.draw.mix import choose_by_weight, choose_workflows
from fedloom.workload.draw.nodes import NodeKey, draw_node
from fedloom.workload.units import parse_time

__all__ = ["LATEST_US", "DrawnCalls", "critical_path_columns", "draw_calls", "place_calls"]

Whole = NDArray[np.int64]

LATEST_US = parse_time("9999-12-31T23:59:59.999999")
"""The last moment that files can say; a later deadline is this one."""


@dataclass(frozen=True, slots=True)
class DrawnCalls:
    """What the requests of a block call; when they arrive is not yet known.

    Attributes:
        workflows: the requests by workflow.
        critical_us: [n] longest path of each request.
        tenant: [n] position of the tenant; None: there are none.
        prompt_line: [n] position of the prompt; None: prompts follow the template.
    """

    workflows: tuple[WorkflowColumns, ...]
    critical_us: Whole
    tenant: Whole | None
    prompt_line: Whole | None


def draw_calls(
    config: WorkloadConfig,
    tenants: Sequence[int],
    *,
    seed: int,
    stream: str,
    block: int,
    count: int,
) -> DrawnCalls:
    """Draw tenant, workflow, options, tokens, times and prompts of `count` requests.

    Args:
        config: the configuration.
        tenants: positions of the tenants that may ask; empty: there are no tenants.
        seed: of the workload.
        stream: the tenant whose own arrivals these are, or "".
        block: number of the block in its stream.
        count: how many; fewer than a whole block give the first of a whole block's.
    """

    def generator(purpose: str) -> np.random.Generator:
        return derive_generator(seed, f"workload {purpose}", stream, block)

    tenant = None
    if len(tenants) == 1:  # whatever its weight is
        tenant = np.full(count, tenants[0], np.int64)
    elif tenants:
        weights = [list(config.tenants.values())[position].weight for position in tenants]
        positions = np.asarray(tenants, np.int64)
        tenant = positions[choose_by_weight(weights, generator("tenant").random(count))]
    chosen = choose_workflows(config, tenant, generator("workflow").random(count))
    columns = []
    critical_us = np.empty(count, np.int64)
    for position, workflow in enumerate(config.workflows.values()):
        rows = np.flatnonzero(chosen == position)
        if len(rows):
            drawn = _draw_workflow(config, workflow, rows, seed, stream, block)
            critical_us[rows] = drawn.critical_us
            columns.append(drawn)
    lines = len(config.prompts.lines)
    prompt_line = generator("prompt").integers(lines, size=count) if lines else None
    return DrawnCalls(tuple(columns), critical_us, tenant, prompt_line)


def place_calls(
    config: WorkloadConfig,
    calls: DrawnCalls,
    first: int,
    time_us: Whole,
    closed_loop: ClosedLoopColumns | None = None,
) -> RequestBlock:
    """Return the block of requests that arrive at `time_us`, with priorities and deadlines."""
    return RequestBlock(
        first,
        time_us,
        calls.workflows,
        calls.tenant,
        _priorities(config, calls),
        _deadlines(config, calls, time_us),
        calls.prompt_line,
        closed_loop,
    )


def critical_path_columns(workflow: Workflow, times: list[Whole]) -> Whole:
    """Return the longest path through the workflow, for each row of its nodes' times."""
    end: list[Whole] = list(times)
    for node in workflow.order:
        if before := workflow.predecessors[node]:
            end[node] = end[node] + np.maximum.reduce([end[other] for other in before])
    longest: Whole = np.maximum.reduce(end)
    return longest


def _draw_workflow(
    config: WorkloadConfig, workflow: Workflow, rows: Whole, seed: int, stream: str, block: int
) -> WorkflowColumns:
    nodes: list[NodeColumns] = []
    for node in workflow.nodes:
        key = NodeKey(seed, stream, workflow.workflow_id, node.node_id, block)
        nodes.append(draw_node(key, node, config.models[node.model_id], len(rows)))
    times = [columns.time_us for columns in nodes]
    critical_us = critical_path_columns(workflow, times)
    return WorkflowColumns(workflow, rows, tuple(nodes), np.add.reduce(times), critical_us)


def _priorities(config: WorkloadConfig, calls: DrawnCalls) -> Whole | None:
    """Return each request's priority: its tenant's, else its workflow's, else 0."""
    own = [tenant.priority for tenant in config.tenants.values()]
    if all(p is None for p in own + [w.priority for w in config.workflows.values()]):
        return None
    priority = np.zeros(len(calls.critical_us), np.int64)
    for columns in calls.workflows:
        priority[columns.rows] = columns.workflow.priority or 0
    if calls.tenant is not None:
        for position, value in enumerate(own):
            if value is not None:
                priority[calls.tenant == position] = value
    return priority


def _deadlines(config: WorkloadConfig, calls: DrawnCalls, time_us: Whole) -> Whole | None:
    """Return each request's deadline: its factor times its critical path after its arrival."""
    own = [tenant.slo_factor for tenant in config.tenants.values()]
    if all(f is None for f in own + [w.slo_factor for w in config.workflows.values()]):
        return None
    factor = np.zeros(len(time_us))
    for columns in calls.workflows:
        factor[columns.rows] = columns.workflow.slo_factor or 0.0
    if calls.tenant is not None:
        for position, value in enumerate(own):
            if value is not None:
                factor[calls.tenant == position] = value
    allowed = np.minimum(np.rint(factor * calls.critical_us), LATEST_US).astype(np.int64)
    return np.where(factor > 0, np.minimum(time_us + allowed, LATEST_US), -1)
