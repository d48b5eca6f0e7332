"""Whether a cluster can run some models at all."""

from __future__ import annotations

from collections.abc import Iterable

from fedloom.errors import InputError
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.problem import ModelNeeds

__all__ = ["check_fit"]


def check_fit(models: Iterable[ModelNeeds], cluster: Cluster) -> None:
    """Make sure that each model could run on an empty cluster.

    Raises:
        InputError: a model's share fits on no device, or its gang finds too few that it fits on;
            all such models stand on one line.
    """
    faults = [fault for model in models if (fault := _find_fault(model, cluster))]
    if faults:
        raise InputError("; ".join(faults))


def _find_fault(model: ModelNeeds, cluster: Cluster) -> str | None:
    if model.gpus == 0:
        return None
    largest_mb = max(gpu.memory_mb for gpu in cluster.gpus)
    need = f"model {model.model_id!r} needs {_gb(model.memory_mb)} on "
    if largest_mb < model.memory_mb:
        where = "a GPU" if model.gpus == 1 else f"each of {model.gpus} GPUs"
        return f"{need}{where}, but the largest has {_gb(largest_mb)}"
    fitting = [gpu.server for gpu in cluster.gpus if gpu.memory_mb >= model.memory_mb]
    found = len(fitting) if cluster.allow_span else max(map(fitting.count, set(fitting)))
    if found >= model.gpus:
        return None
    need += f"each of {model.gpus} GPUs"
    if len(fitting) < model.gpus:
        return f"{need}, but the cluster has {len(fitting)} of {len(cluster.gpus)} that large"
    return f"{need} of one server, but no server has more than {found} (allow_span would lift that)"


def _gb(mb: int) -> str:
    return f"{mb / 1000:g} GB"
