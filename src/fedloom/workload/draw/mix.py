"""Drawing who asks for what: the tenant and the workflow of each request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedloom.workload.config.workload_config import Tenant, WorkloadConfig

__all__ = ["choose_by_weight", "choose_workflows"]

Whole = NDArray[np.int64]


def choose_by_weight(weights: Sequence[float], uniform: NDArray[np.float64]) -> Whole:
    """Return a position for each uniform number of [0, 1), drawn in proportion to the weights.

    Example:
        >>> choose_by_weight([1, 3], np.array([0.0, 0.24, 0.25, 0.99])).tolist()
        [0, 0, 1, 1]
    """
    steps = np.cumsum(np.asarray(weights, dtype=np.float64))
    found = np.searchsorted(steps, uniform * steps[-1], side="right")
    last = int(np.flatnonzero(weights)[-1])  # rounding must not lead beyond the last weight
    chosen: Whole = np.minimum(found, last).astype(np.int64)
    return chosen


def choose_workflows(
    config: WorkloadConfig, tenant: Whole | None, uniform: NDArray[np.float64]
) -> Whole:
    """Return the position of each request's workflow in the configuration.

    Args:
        config: with the weights of the workflows, and the tenants' own mixes.
        tenant: position of each request's tenant; None: there are no tenants.
        uniform: one number of [0, 1) per request.
    """
    if tenant is None:
        return choose_by_weight(_weights(config, {}), uniform)
    chosen = np.empty(len(uniform), np.int64)
    tenants: list[Tenant] = list(config.tenants.values())
    for position in np.unique(tenant).tolist():
        own = tenant == position
        chosen[own] = choose_by_weight(_weights(config, tenants[position].mix), uniform[own])
    return chosen


def _weights(config: WorkloadConfig, mix: Mapping[str, float]) -> list[float]:
    if mix:
        return [mix.get(workflow_id, 0.0) for workflow_id in config.workflows]
    return [workflow.weight for workflow in config.workflows.values()]
