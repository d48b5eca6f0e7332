"""Saving and loading a model: the helper that a package's scripts import, beside NumPy itself."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from fedloom.package.helpers import get_helper
from harness.package_times import PackageTimes, parse_repeats, print_times
from harness.turns import take_turns

__all__ = ["measure_model_files"]

_MEGABYTES = 100
_ARRAYS = 5
_BYTES_PER_VALUE = 4

Arrays = list[np.ndarray[Any, Any]]


def measure_model_files(repeats: int, megabytes: int = _MEGABYTES) -> list[PackageTimes]:
    """Time the helper and NumPy in turn, on the same arrays, after one turn untimed.

    Args:
        repeats: timed turns.
        megabytes: what the model's arrays of float32 hold together.

    Returns:
        The times of saving and those of loading.
    """
    helper, arrays = get_helper("numpyhelper"), _make_model(megabytes)
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        own, other = Path(name, "helper.npz"), Path(name, "numpy.npz")
        saves = take_turns(
            lambda: helper.save(arrays, str(own)), lambda: _save(arrays, other), repeats
        )
        loads = take_turns(lambda: helper.load(str(own)), lambda: _load(other), repeats)
        _compare(arrays, helper.load(str(own)))
    return [
        PackageTimes("save", saves.seconds, saves.beside, megabytes=megabytes),
        PackageTimes("load", loads.seconds, loads.beside, megabytes=megabytes),
    ]


def _make_model(megabytes: int) -> Arrays:
    count = megabytes * 1_000_000 // (_ARRAYS * _BYTES_PER_VALUE)
    rng = np.random.default_rng(1)
    return [rng.standard_normal((1000, count // 1000), np.float32) for _ in range(_ARRAYS)]


def _save(arrays: Arrays, path: Path) -> None:
    named: dict[str, Any] = {str(index): array for index, array in enumerate(arrays)}
    np.savez(path, **named)


def _load(path: Path) -> Arrays:
    with np.load(path) as archive:
        return [archive[name] for name in archive.files]


def _compare(saved: Arrays, loaded: Arrays) -> None:
    if not all(np.array_equal(a, b) for a, b in zip(saved, loaded, strict=True)):
        raise SystemExit("the helper did not load what it saved")


def main() -> None:
    """Run what the command line says."""
    print_times(*measure_model_files(parse_repeats()))


if __name__ == "__main__":
    main()
