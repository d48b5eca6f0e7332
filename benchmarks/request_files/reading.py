"""Reading request files back, beside the parsers that one would take at first."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.read import read_requests
from fedloom.workload.save import save_workload
from harness.rate_times import RateTimes, make_times, parse_rate_options, print_rates
from harness.turns import take_turns
from request_files.workload import make_workload, read_own_config

__all__ = ["PARSERS", "measure_reading"]

_REQUESTS = 60_000
_KINDS = (
    ("read-yaml", FileFormat.YAML, 12),
    ("read-yaml-plain", FileFormat.YAML, 100),
    ("read-json", FileFormat.JSON, 1),
    ("read-jsonl", FileFormat.JSONL, 1),
    ("read-parquet", FileFormat.PARQUET, 0),
)
"""Figure, format, and how many times fewer requests the other parser reads (0: there is none)."""


def measure_reading(repeats: int, requests: int = _REQUESTS) -> list[RateTimes]:
    """Time the reading of every request of a file, in each format.

    Args:
        repeats: timed calls of each kind, after a turn untimed with few requests.
        requests: in a file.
    """
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        return [_measure(Path(name), *kind, repeats, requests) for kind in _KINDS]


def _measure(
    folder: Path, figure: str, kind: FileFormat, fewer: int, repeats: int, requests: int
) -> RateTimes:
    path = _save(folder, kind, requests)
    few = requests // fewer if fewer else 0
    other = partial(_count_plainly, figure, _save(folder, kind, few), few) if few else None
    _count_all(_save(folder, kind, 100), 100)
    turns = take_turns(partial(_count_all, path, requests), other, repeats, untimed=0)
    return make_times(figure, requests, turns, few)


def _save(folder: Path, kind: FileFormat, requests: int) -> Path:
    workload = make_workload(read_own_config(), requests)
    return save_workload(workload, folder / str(requests), [kind]).paths[0]


def _count_all(path: Path, requests: int) -> None:
    _compare(sum(1 for _ in read_requests(path).requests), requests)


def _count_plainly(figure: str, path: Path, requests: int) -> None:
    _compare(len(PARSERS[figure](path)), requests)


def _compare(found: int, requests: int) -> None:
    if found != requests:
        raise SystemExit(f"{found:,} requests were read from a file of {requests:,}")


def _read_yaml_fast(path: Path) -> list[Any]:
    with path.open() as file:
        return list(yaml.load(file, yaml.CSafeLoader)["requests"])


def _read_yaml(path: Path) -> list[Any]:
    with path.open() as file:
        return list(yaml.safe_load(file)["requests"])


def _read_json(path: Path) -> list[Any]:
    with path.open() as file:
        return list(json.load(file)["requests"])


def _read_jsonl(path: Path) -> list[Any]:
    with path.open() as file:
        return [json.loads(line) for line in file]


PARSERS: dict[str, Callable[[Path], list[Any]]] = {
    "read-yaml": _read_yaml_fast,
    "read-yaml-plain": _read_yaml,
    "read-json": _read_json,
    "read-jsonl": _read_jsonl,
}
"""Figure → what reads a file whole, without looking at what it holds."""


def main() -> None:
    """Run what the command line says."""
    print_rates(measure_reading(parse_rate_options().repeats))


if __name__ == "__main__":
    main()
