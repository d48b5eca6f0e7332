"""The statistics of a file of requests, whatever its format and size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path

from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.formats.read import read_requests
from fedloom.workload.requests import with_progress
from fedloom.workload.statistics.collect import WorkloadStats

__all__ = ["read_stats"]


def read_stats(
    path: Path,
    config: WorkloadConfig | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> WorkloadStats:
    """Read a file once and return its statistics.

    Args:
        path: a file of requests.
        config: what they were made from; without it GPU-hours are not known.
        progress: hears how many requests were read, and of how many (0: unknown).

    Raises:
        InputError: the file cannot be read, or does not belong to the configuration.
    """
    stats = WorkloadStats(config)
    requests = stats.add_requests(with_progress(read_requests(path), progress))
    deque(requests, maxlen=0)
    return stats
