"""Lists of a trace's servers, as a cluster file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fedloom.errors import InputError
from fedloom.workload.traces.clusters.gpu_types import gpu_memory_gb
from fedloom.workload.traces.rows import csv_rows
from fedloom.workload.traces.values import read_count

__all__ = ["CLUSTERS", "ClusterReader"]

ClusterReader = Callable[[Path], dict[str, Any]]
"""Reads a list of servers."""

_LINK_GB_PER_S = 16.0


def _reader(model: str, gpus: str) -> ClusterReader:
    """Return a reader of a CSV file with a server per row.

    Args:
        model: its column with the type of GPU.
        gpus: its column with their number.
    """

    def read(path: Path) -> dict[str, Any]:
        alike: Counter[tuple[str, int]] = Counter()
        for line, (kind, number) in csv_rows(path, (model, gpus)):
            if count := read_count(number or 0, path, line, gpus):
                named = kind.strip().casefold() not in ("", "nan")
                alike[kind.strip() if named else "GPU", count] += 1
        if not alike:
            raise InputError(f"{path} has no server with a GPU in column {gpus}")
        return {"servers": [_server(kind, each, count) for (kind, each), count in alike.items()]}

    return read


def _server(kind: str, gpus: int, count: int) -> dict[str, Any]:
    return {
        "name": f"{kind}x{gpus}",
        "count": count,
        "gpus": gpus,
        "gpu_memory_gb": gpu_memory_gb(kind),
        "speed": 1.0,
        "link_gb_per_s": _LINK_GB_PER_S,
    }


CLUSTERS: dict[str, ClusterReader] = {
    "alibaba-gpu-2023": _reader("model", "gpu"),
    "alibaba-spot-2026": _reader("gpu_model", "gpu_capacity_num"),
}
"""Kind → reader. Servers without GPUs are left out; all have speed 1, because the traces state
durations as measured on the GPUs that the jobs ran on."""
