"""From a file of requests to a problem: what `fedloom schedule` does before it simulates."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from fedloom.scheduling.build import build_problem
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.read import uniform_cluster
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.read import read_requests
from fedloom.workload.save import save_workload
from harness.rate_times import RateTimes, make_times, parse_rate_options, print_rates
from harness.turns import take_turns
from request_files.workload import make_workload, read_own_config
from scheduling.problems import GPU_MEMORY_GB, minutes_of_overload

__all__ = ["measure_building"]

_REQUESTS, _QUICK_REQUESTS = 1_000_000, 100_000
_GPUS = 64


def measure_building(requests: int) -> RateTimes:
    """Time once how a file of so many requests is read and put together with a cluster."""
    config = read_own_config()
    workload = make_workload(config, requests, minutes_of_overload(requests, _GPUS))
    cluster = uniform_cluster(_GPUS, memory_gb=GPU_MEMORY_GB)
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        path = save_workload(workload, Path(name, "own"), [FileFormat.JSONL]).paths[0]
        turns = take_turns(partial(_build, config, path, cluster), None, 1, untimed=0)
    return make_times("build", requests, turns)


def _build(config: WorkloadConfig, path: Path, cluster: Cluster) -> None:
    build_problem(config, read_requests(path).requests, cluster)


def main() -> None:
    """Run what the command line says."""
    quick = parse_rate_options().quick
    print_rates([measure_building(_QUICK_REQUESTS if quick else _REQUESTS)])


if __name__ == "__main__":
    main()
