"""A PyTorch train entry point, started cold and from a warm process, in turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from fedloom.package import (
    EntryPointRunner,
    Finished,
    PackageEnvironment,
    WarmRunner,
    read_project,
    read_update,
    run_entry_point,
    write_input,
)
from fedloom.package.environment import shim_folder
from harness.catalogue import PEERS_PYTHON
from harness.package_times import PackageTimes, parse_repeats, print_times

__all__ = ["measure_starts"]

_TORCH_CLIENT = Path(__file__).with_name("torch_client")
_SHAPES = ((64, 64), (64,), (10, 64), (10,))
_SETTINGS = {"batch_size": 32, "learning_rate": 0.1}
_LIMIT_SECONDS = 120.0


def measure_starts(
    repeats: int, python: Path = PEERS_PYTHON, client: Path = _TORCH_CLIENT
) -> PackageTimes:
    """Time calls of `train` from the asking to the end of the process, with one thread each.

    Not timed are the warm runner's first call, which is cold and records what is imported, and its
    second, which waits until that is loaded.

    Args:
        repeats: timed calls of each kind.
        python: the interpreter that has what the package imports.
        client: the package, of which a copy is run.
    """
    if not python.exists():
        raise SystemExit(f"{python} is not there: benchmarks/setup_peers.sh makes it")
    with TemporaryDirectory(prefix="fedloom-bench-") as name, WarmRunner() as warm:
        call = _prepare(Path(name), client, python)
        call(warm.run_entry_point)
        call(warm.run_entry_point)
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for turn in range(repeats):
            for is_warm in (False, True) if turn % 2 == 0 else (True, False):
                begun = perf_counter()
                finished = call(warm.run_entry_point if is_warm else run_entry_point)
                seconds[is_warm].append(perf_counter() - begun)
                if finished.warm != is_warm:
                    raise SystemExit("a call that was to start warm started cold")
    return PackageTimes("train", tuple(seconds[False]), tuple(seconds[True]))


def _prepare(folder: Path, client: Path, python: Path) -> Callable[[EntryPointRunner], Finished]:
    """Return what calls `train` once and refuses a call that did not do its work."""
    project = read_project(copytree(client, folder / "client"))
    rng = np.random.default_rng(1)
    weights = [(0.1 * rng.standard_normal(shape)).astype(np.float32) for shape in _SHAPES]
    model, update = folder / "seed.npz", folder / "update.npz"
    write_input(weights, _SETTINGS, model)
    environment = PackageEnvironment(python, python.parent.parent, created=False)
    variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(shim_folder())}

    def call(run: EntryPointRunner) -> Finished:
        finished = run(
            project,
            "train",
            [model, update],
            environment=environment,
            variables=variables,
            timeout_s=_LIMIT_SECONDS,
        )
        if not finished.succeeded:
            raise SystemExit(finished.explain())
        read_update(update, weights)
        update.unlink()
        return finished

    return call


def main() -> None:
    """Run what the command line says."""
    print_times(measure_starts(parse_repeats()))


if __name__ == "__main__":
    main()
