"""Small problems, written down by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.read import uniform_cluster
from fedloom.scheduling.cluster.schema import describe_cluster
from fedloom.scheduling.problem import NEVER, ModelNeeds, Problem
from fedloom.workload.config.workflow import Node, Workflow

MakeProblem = Callable[..., Problem]


def _make_problem(
    models: Mapping[str, tuple[int, float, float | None]],
    workflows: Mapping[str, tuple[Sequence[str], Sequence[tuple[int, int]]]],
    requests: Sequence[tuple[str, float, Sequence[float]]],
    cluster: Cluster | Mapping[str, Any] | int = 2,
    *,
    estimates: Sequence[Sequence[float]] | None = None,
    tenants: Mapping[str, float] | None = None,
    tenant: Sequence[int] | None = None,
    priority: Sequence[int] | None = None,
    deadline_s: Sequence[float | None] | None = None,
    after: Sequence[int] | None = None,
    think_s: Sequence[float] | None = None,
) -> Problem:
    """Return a problem from plain lists.

    Args:
        models: id → (gpus, GB of the whole model, seconds to load it or None).
        workflows: id → (models of the nodes, edges as pairs of positions); the nodes are called
            ``n0``, ``n1``, …
        requests: (workflow, arrival in s, seconds of each node), in the order of arrival.
        cluster: a number of GPUs of 80 GB in servers of 8, a mapping as in a cluster file, or a
            cluster.
        estimates: seconds that policies are told, as in `requests`; None: the true ones.
        tenants: id → weight.
        tenant: position in `tenants` of each request.
        priority: of each request.
        deadline_s: of each request, in s since 0; None: none.
        after: for each request the one whose end it waits for; -1: none.
        think_s: time between that end and its arrival.
    """
    if isinstance(cluster, int):
        cluster = uniform_cluster(cluster)
    elif isinstance(cluster, Mapping):
        cluster = describe_cluster(cluster)
    ids = list(workflows)
    needs = []
    for name, (gpus, gb, load_s) in models.items():
        memory_mb = -(-round(gb * 1000) // gpus) if gpus else 0
        load_us = None if load_s is None else round(load_s * 1e6)
        needs.append(ModelNeeds(name, "llm", gpus, memory_mb, load_us))
    graphs = tuple(
        Workflow(name, name, tuple(Node(f"n{k}", m) for k, m in enumerate(nodes)), tuple(edges))
        for name, (nodes, edges) in workflows.items()
    )
    count = len(requests)

    def whole(values: Sequence[Any] | None, missing: int, scale: float = 1) -> np.ndarray:
        given = [missing] * count if values is None else values
        return np.array(
            [missing if v is None or v == missing else round(v * scale) for v in given], np.int64
        )

    def column(rows: Sequence[Sequence[float]]) -> np.ndarray:
        return np.array([round(s * 1e6) for row in rows for s in row], np.int64)

    for name, _, seconds in requests:
        assert len(seconds) == len(workflows[name][0]), "a time for each node"
    times = [seconds for _, _, seconds in requests]
    return Problem(
        cluster=cluster,
        models=tuple(needs),
        workflows=graphs,
        node_models=tuple(
            tuple(list(models).index(node.model_id) for node in graph.nodes) for graph in graphs
        ),
        request_ids=[f"req_{r:04d}" for r in range(count)],
        workflow=np.array([ids.index(name) for name, _, _ in requests], np.int64),
        arrival_us=np.array([round(at * 1e6) for _, at, _ in requests], np.int64),
        first_task=np.cumsum([0, *map(len, times)], dtype=np.int64),
        duration_us=column(times),
        estimate_us=column(times if estimates is None else estimates),
        tenant=whole(tenant, -1),
        priority=whole(priority, 0),
        deadline_us=whole(deadline_s, NEVER, 1e6),
        after=whole(after, -1),
        think_us=whole(think_s, 0, 1e6),
        tenants=tuple(tenants or ()),
        tenant_weights=tuple((tenants or {}).values()),
    )


@pytest.fixture
def make_problem() -> MakeProblem:
    """Return `_make_problem`: a problem from plain lists."""
    return _make_problem
