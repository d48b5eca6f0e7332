"""How many workers a cluster gives, and what each of them takes of it."""

from __future__ import annotations

from typing import Any

from fedloom.data.dataset import Dataset
from fedloom.errors import LinkError
from fedloom.fleet.cores import count_cores
from fedloom.fleet.ray.connection import Connection
from fedloom.fleet.ray.worker import LaneWorker
from fedloom.learning.backend import limit_threads

__all__ = ["choose_count", "make_actor", "measure_dataset"]

_MOST_WORKERS = 1024


def choose_count(link: Connection, asked: int | None, clients: int) -> int:
    """Return how many workers to start: as asked, or one per core, and never more than clients.

    Raises:
        LinkError: the cluster has no core.
    """
    cores = count_cores() if link.is_own else int(link.ray.cluster_resources().get("CPU", 0))
    if not cores:
        raise LinkError(f"the Ray cluster at {link.address} has no processor core to give")
    return min(asked or cores, clients, _MOST_WORKERS)


def make_actor(link: Connection) -> Any:
    """Return the class of workers as Ray knows it.

    On a cluster of others a worker takes one core, so that Ray spreads workers by what is free. On
    our own there is nobody to share with but fleets of this process, which must not wait for each
    other.
    """
    needs: dict[str, Any] = {"num_cpus": 0}
    if not link.is_own:
        variables = limit_threads({"JAX_PLATFORMS": "cpu", "KERAS_BACKEND": "jax"})
        needs = {
            "num_cpus": 1,
            "scheduling_strategy": "SPREAD",
            "runtime_env": {"env_vars": variables},
        }
    groups = {"control": 1}
    return link.ray.remote(max_restarts=0, concurrency_groups=groups, **needs)(LaneWorker)


def measure_dataset(dataset: Dataset) -> int:
    """Return the bytes of a data set's arrays."""
    parts = (
        dataset.train_features,
        dataset.train_labels,
        dataset.test_features,
        dataset.test_labels,
    )
    return sum(part.nbytes for part in parts)
