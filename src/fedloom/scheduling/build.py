"""From a configuration, requests and a cluster to a problem; what can be wrong is found here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.randomness import derive_generator
from fedloom.scheduling.cluster.costs import load_us, move_us
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.fit import check_fit
from fedloom.scheduling.gather import GatheredRequests, WorkflowCalls
from fedloom.scheduling.problem import NEVER, ModelNeeds, Problem
from fedloom.workload.config.service_model import ServiceModel
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.units import to_microseconds

__all__ = ["build_problem", "model_needs"]

_LONGEST_US = 4e18
"""So long may everything take in all: times are whole numbers of 64 bits."""

Whole = NDArray[np.int64]


def build_problem(
    config: WorkloadConfig,
    requests: Iterable[Request],
    cluster: Cluster,
    *,
    estimate_error: float = 0.0,
    seed: int = 0,
) -> Problem:
    """Return the problem of running requests on a cluster.

    Requests that are not in the order of arrival are sorted; those that arrive at once keep their
    order. Only workflows that are called, and their models, are part of the problem.

    Args:
        config: what the requests refer to.
        requests: at least one; they are read once.
        cluster: where they run.
        estimate_error: standard deviation of the logarithm of estimate ÷ true time.
        seed: of these errors.

    Raises:
        InputError: a request does not go with the configuration or with another request, or a
            model can never run on the cluster.
    """
    if not 0 <= estimate_error <= 10:
        raise InputError(f"estimate_error={estimate_error!r}: give a number from 0 to 10")
    gathered = GatheredRequests(config)
    gathered.add_all(requests)
    if not gathered.ids:
        raise InputError("there are no requests: nothing to schedule")
    called = [calls for calls in gathered.calls.values() if calls.requests]
    models = _called_models(config, called)
    check_fit(models.values(), cluster)
    positions = {name: number for number, name in enumerate(models)}
    time_us = np.frombuffer(gathered.time_us, dtype=np.int64)
    order = np.argsort(time_us, kind="stable")
    ids = [gathered.ids[number] for number in order.tolist()]
    start_us = int(time_us[order[0]])
    workflow, first_task, duration_us = _lay_out(called, order, gathered.ids)
    after, think_us = _link(gathered, order, ids)
    problem = Problem(
        cluster=cluster,
        models=tuple(models.values()),
        workflows=tuple(calls.workflow for calls in called),
        node_models=tuple(
            tuple(positions[node.model_id] for node in calls.workflow.nodes) for calls in called
        ),
        request_ids=ids,
        workflow=workflow,
        arrival_us=time_us[order] - start_us,
        first_task=first_task,
        duration_us=duration_us,
        estimate_us=_estimate(duration_us, estimate_error, seed),
        tenant=gathered.column("tenant")[order],
        priority=gathered.column("priority")[order],
        deadline_us=_since(gathered.column("deadline_us")[order], start_us),
        after=after,
        think_us=think_us,
        tenants=tuple(gathered.tenants),
        tenant_weights=tuple(
            config.tenants[name].weight if name in config.tenants else 1.0
            for name in gathered.tenants
        ),
        start_us=start_us,
    )
    _check_length(problem)
    return problem


def model_needs(model: ServiceModel) -> ModelNeeds:
    """Return what a service model needs of a cluster.

    A gang holds equal shares, rounded up to whole MB; without devices nothing is held.
    """
    whole_mb = max(1, round(model.memory_gb * 1000))
    load_s = model.load_time_seconds
    return ModelNeeds(
        model_id=model.model_id,
        type=model.type,
        gpus=model.gpus_required,
        memory_mb=-(-whole_mb // model.gpus_required) if model.gpus_required else 0,
        load_time_us=None if load_s is None else to_microseconds(load_s),
    )


def _called_models(
    config: WorkloadConfig, called: Iterable[WorkflowCalls]
) -> Mapping[str, ModelNeeds]:
    names = {node.model_id for calls in called for node in calls.workflow.nodes}
    return {name: model_needs(model) for name, model in config.models.items() if name in names}


def _lay_out(
    called: list[WorkflowCalls], order: Whole, ids: list[str]
) -> tuple[Whole, Whole, Whole]:
    """Return the workflow of each request, the offsets of its tasks, and the tasks' times."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    rows = [place[np.frombuffer(calls.requests, dtype=np.int64)] for calls in called]
    workflow, nodes = np.empty_like(order), np.empty_like(order)
    for number, calls in enumerate(called):
        workflow[rows[number]] = number
        nodes[rows[number]] = len(calls.workflow.nodes)
    first_task = np.concatenate([[0], np.cumsum(nodes)])
    duration_us = np.empty(first_task[-1], dtype=np.int64)
    for number, calls in enumerate(called):
        tasks = first_task[rows[number]][:, None] + np.arange(len(calls.workflow.nodes))
        duration_us[tasks] = calls.times_us(ids)
    return workflow, first_task, duration_us


def _check_length(problem: Problem) -> None:
    """Make sure that no time of any schedule exceeds what 64 bits hold."""
    cluster = problem.cluster
    slowest = min(gpu.speed for gpu in cluster.gpus)
    link = min(gpu.link_gb_per_s for gpu in cluster.gpus)
    largest_mb = max(gpu.memory_mb for gpu in cluster.gpus)
    loads_us = [float(load_us(model, link, cluster.switch_overhead_us)) for model in problem.models]
    switch_us = max(loads_us) + move_us(largest_mb, link)
    run_us = float(problem.duration_us.sum(dtype=np.float64)) / slowest * cluster.span_slowdown
    wait_us = float(problem.think_us.sum(dtype=np.float64)) + float(problem.arrival_us[-1])
    if run_us + wait_us + problem.tasks * switch_us > _LONGEST_US:
        raise InputError("all times add up to more than 100,000 years; see the longest of them")


def _link(gathered: GatheredRequests, order: Whole, ids: list[str]) -> tuple[Whole, Whole]:
    """Return which request each waits for, and how long it thinks then."""
    numbers = dict(zip(ids, range(len(ids)), strict=True))
    if len(numbers) < len(ids):
        repeated = next(name for name, times in Counter(ids).items() if times > 1)
        raise InputError(f"request_id {repeated!r} stands there twice; names are unique")
    after, think_us = np.full(len(ids), -1), np.zeros(len(ids), dtype=np.int64)
    if not gathered.after:
        return after, think_us
    for number, old in enumerate(order.tolist()):
        if old in gathered.after:
            name, think_us[number] = gathered.after[old]
            before = numbers.get(name)
            if before is None or before >= number:
                what = "does not exist" if before is None else "does not arrive earlier"
                raise InputError(f"request {ids[number]}: after_request {name!r} {what}")
            after[number] = before
    return after, think_us


def _since(deadline_us: Whole, start_us: int) -> Whole:
    """Return deadlines counted from the first arrival; one before it is at it: both are missed."""
    return np.where(deadline_us == NEVER, NEVER, np.maximum(deadline_us - start_us, 0))


def _estimate(duration_us: Whole, error: float, seed: int) -> Whole:
    if error == 0:
        return duration_us
    factors = derive_generator(seed, "estimates").lognormal(0.0, error, len(duration_us))
    return np.rint(np.minimum(duration_us * factors, 1e15)).astype(np.int64)
