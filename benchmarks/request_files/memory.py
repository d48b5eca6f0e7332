"""Memory while a million requests are generated and written."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.save import save_workload
from harness.process_tree import read_peak_bytes
from harness.rate_times import RateTimes, parse_rate_options, print_rates
from harness.turns import take_turns
from request_files.first_version import WRITERS
from request_files.workload import CONFIG, make_workload, read_own_config

__all__ = ["measure_memory"]

_REQUESTS = 1_000_000
_FIRST_VERSION = "first-version"
_FIRST_VERSION_REQUESTS = 100_000


def measure_memory(part: str, requests: int | None = None) -> RateTimes:
    """Return the most memory of this process above that at the start of generating.

    Nothing else may have run in this process, and nothing is run untimed before: what libraries
    allocate when they are first used counts.

    Args:
        part: a format, or the first version, which keeps all requests in memory.
        requests: how many; default a million, and a tenth of that for the first version.
    """
    first = part == _FIRST_VERSION
    count = requests or (_FIRST_VERSION_REQUESTS if first else _REQUESTS)
    workload = make_workload(read_own_config(), count)
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        act = (
            partial(WRITERS["json"], Path(name, "first"), CONFIG, count)
            if first
            else partial(save_workload, workload, Path(name, "own"), [FileFormat(part)])
        )
        process = psutil.Process()
        before = process.memory_info().rss
        turns = take_turns(act, None, 1, untimed=0)
        more = read_peak_bytes(process.pid) - before
    name = "memory-first" if first else f"memory-{part}"
    return RateTimes(name, count, turns.seconds, turns.cpu_seconds, memory_mb=more / 1e6)


def main() -> None:
    """Run what the command line says."""
    print_rates([measure_memory(parse_rate_options().part)])


if __name__ == "__main__":
    main()
