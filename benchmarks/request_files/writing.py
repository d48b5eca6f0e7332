"""Generating requests and writing them to a file, as `fedloom workload generate` does it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.generate import Workload
from fedloom.workload.save import save_workload
from harness.rate_times import RateTimes, make_times, parse_rate_options, print_rates
from harness.turns import take_turns
from request_files.first_version import WRITERS
from request_files.workload import CONFIG, make_workload, read_own_config

__all__ = ["measure_writing"]

_REQUESTS = 300_000
_FIRST_VERSION = {"jsonl": 30_000, "json": 15_000, "yaml": 1_500, "csv": 30_000, "parquet": 0}
"""Format → requests for the first version, which takes about as long for them (0: none)."""

_WARM_SHARE = 20


def measure_writing(repeats: int, requests: int = _REQUESTS) -> list[RateTimes]:
    """Time draws, rendering and writing together, in each format.

    Args:
        repeats: timed calls of each kind.
        requests: in a file; the first version writes a tenth or less.
    """
    config = read_own_config()
    warm, workload = (make_workload(config, n) for n in (1 + requests // _WARM_SHARE, requests))
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        times = []
        for kind in map(FileFormat, _FIRST_VERSION):
            _save(warm, Path(name), kind)  # imports, and tables that are made once
            few = _FIRST_VERSION[kind] * requests // _REQUESTS
            other = partial(WRITERS[kind], Path(name, "first"), CONFIG, few) if few else None
            turns = take_turns(
                partial(_save, workload, Path(name), kind), other, repeats, untimed=0
            )
            times.append(make_times(kind, requests, turns, few))
    return times


def _save(workload: Workload, folder: Path, kind: FileFormat) -> None:
    save_workload(workload, folder / "own", [kind])


def main() -> None:
    """Run what the command line says."""
    print_rates(measure_writing(parse_rate_options().repeats))


if __name__ == "__main__":
    main()
