"""What the flags of `fedloom schedule` stand for: a cluster, a problem, places to write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from fedloom.cli.places import keep_inputs, read_prefix
from fedloom.cli.printing import print_warnings
from fedloom.cli.progress import show_bar
from fedloom.errors import InputError
from fedloom.naming import match_name
from fedloom.scheduling.build import build_problem
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.read import read_cluster, uniform_cluster
from fedloom.scheduling.problem import Problem
from fedloom.workload.config.read import read_config
from fedloom.workload.formats.read import read_requests
from fedloom.workload.requests import with_progress

__all__ = [
    "ProblemParts",
    "check_numbers",
    "check_outputs",
    "describe_cluster",
    "describe_problem",
    "read_problem",
]


@dataclass(frozen=True)
class ProblemParts:
    """What a problem is built from: configurations, requests, and a cluster."""

    config: Sequence[Path]
    requests: Path
    cluster: Cluster


def check_numbers(*, until: float | None, estimate_error: float) -> None:
    """Refuse impossible numbers before anything is read.

    Raises:
        InputError: one of them is.
    """
    if until is not None and not 0 < until < 1e12:
        raise InputError(f"--until is {until:g} s; give a time above 0")
    if not 0 <= estimate_error <= 10:
        raise InputError(f"--estimate-error is {estimate_error:g}; give a number from 0 to 10")


def describe_cluster(
    path: Path | None, gpus: int | None, per_server: int, memory_gb: float
) -> Cluster | None:
    """Return the cluster of a file, or of equal GPUs; None where neither is given.

    Raises:
        InputError: both are given, or what is given cannot be a cluster.
    """
    if path is not None and gpus is not None:
        raise InputError("give a --cluster file or a number of --gpus, not both")
    if path is not None:
        return read_cluster(path)
    if gpus is None:
        return None
    if gpus < 1:
        raise InputError(f"--gpus is {gpus}; give at least 1")
    if per_server < 1:
        raise InputError(f"--gpus-per-server is {per_server}; give at least 1")
    if not (isfinite(memory_gb) and memory_gb > 0):
        raise InputError(f"--gpu-memory is {memory_gb:g} GB; give a number above 0")
    return uniform_cluster(gpus, per_server=per_server, memory_gb=memory_gb)


def describe_problem(
    config: Sequence[Path] | None,
    requests: Path | None,
    cluster: Cluster | None,
    *,
    log: Path | None,
) -> ProblemParts | None:
    """Return what the problem is built from; None where a log is to be checked by itself.

    Raises:
        InputError: a part is missing, though it is needed, or others are given.
    """
    given = {
        "--config": config,
        "--requests": requests,
        "a --cluster or a number of --gpus": cluster,
    }
    missing = [name for name, value in given.items() if not value]
    if not missing:
        assert config is not None
        assert requests is not None
        assert cluster is not None
        return ProblemParts(config, requests, cluster)
    if log is None:
        raise InputError(f"give {_join(missing)}; or a log to --check")
    if len(missing) < len(given):
        there = [name for name in given if name not in missing]
        raise InputError(
            f"--check with {_join(there)} needs {_join(missing)} as well; or give the log alone"
        )
    return None


def _join(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def read_problem(
    parts: ProblemParts, *, estimate_error: float = 0.0, seed: int = 42, shown: bool
) -> Problem:
    """Read configuration and requests, check them, and put them together with the cluster.

    Args:
        parts: what there is.
        estimate_error: standard deviation of the logarithm of estimate ÷ true time.
        seed: of these errors.
        shown: whether to show warnings, and how far it is.

    Raises:
        InputError: something of it is wrong.
    """
    reading = read_config(parts.config)
    if shown:
        print_warnings(reading.warnings)
    file = read_requests(parts.requests)
    with show_bar("reading", shown=shown) as progress:
        return build_problem(
            reading.config,
            with_progress(file, progress),
            parts.cluster,
            estimate_error=estimate_error,
            seed=seed,
        )


def check_outputs(output_prefix: str, log_format: str, inputs: Sequence[Path | None]) -> Path:
    """Return the prefix of the outputs, when all that can be known beforehand is right.

    Raises:
        InputError: the prefix or the format is wrong, or an input would be replaced.
        OutputError: nothing can be written there.
    """
    match_name("format of logs", log_format, ["json", "parquet"])
    prefix = read_prefix(output_prefix)
    own = re.compile(
        re.escape(prefix.name)
        + r"(_comparison\.json|(_\d+)?\.(html|png)|_.+_(execution_log\.(json|parquet)|trace\.json))"
    )
    replaced = [path for path in inputs if path is not None and own.fullmatch(path.name)]
    keep_inputs([prefix.parent / path.name for path in replaced], inputs)
    return prefix
