"""What loading a model costs at least, by the checker's own arithmetic."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.cluster.description import REFERENCE_LINK_GB_PER_S
from fedloom.scheduling.problem import Problem

__all__ = ["kilobytes_moved", "load_times"]


def load_times(problem: Problem) -> NDArray[np.float64]:
    """Return [models, devices]: microseconds to load a model's share onto a free device.

    Where the configuration states the time, it is for the reference link, and scales with the
    device's own. Where it does not, the share goes over the link, plus the cluster's overhead:
    1 MB over 1 GB/s takes 1,000 µs.
    """
    cluster = problem.cluster
    links = np.array([gpu.link_gb_per_s for gpu in cluster.gpus], np.float64)
    rows = []
    for model in problem.models:
        if model.load_time_us is None:
            rows.append(model.memory_mb * 1_000 / links + cluster.switch_overhead_us)
        else:
            rows.append(model.load_time_us * REFERENCE_LINK_GB_PER_S / links)
    return np.array(rows, np.float64).reshape(len(problem.models), len(links))


def kilobytes_moved(time_us: NDArray[np.float64], links: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how much leaves a device in a time, rounded up: 1 µs at 1 GB/s is 1 KB."""
    return np.ceil(np.minimum(np.maximum(time_us, 0.0) * links, 1e15)).astype(np.int64)
