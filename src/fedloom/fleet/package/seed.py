"""The seed model of a package: built by it once, or brought by the user."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fedloom.errors import PackageError
from fedloom.federation.weights import Weights
from fedloom.package.arrays import fit_arrays, read_arrays
from fedloom.package.client_folder import PackageCopy
from fedloom.package.environment import PackageEnvironment
from fedloom.package.run import EntryPointRunner, Finished, run_entry_point

__all__ = ["build_seed", "read_seed"]

SEED = "seed.npz"
_LINES_SHOWN = 10


def build_seed(
    copy: PackageCopy,
    environment: PackageEnvironment,
    project: Path,
    *,
    seed: int,
    timeout_s: float | None,
    on_output: Callable[[str], None] | None = None,
    runner: EntryPointRunner = run_entry_point,
) -> Path:
    """Return the package's seed model: from ``build``, or from the package itself.

    Args:
        copy: the package.
        environment: in which it runs.
        project: a folder that takes a copy to build in; ``../seed.npz`` lies in it.
        seed: of the run, for scripts that want to draw the same weights again.
        timeout_s: seconds that ``build`` may take.
        on_output: called with each line it prints.
        runner: what runs it.

    Raises:
        PackageError: ``build`` fails or leaves no model, or there is neither ``build`` nor a model.
    """
    shutil.rmtree(project, ignore_errors=True)
    folder = project / copy.project.folder.name
    shutil.copytree(copy.project.folder, folder)
    if copy.data_folder is not None:
        (project / "data").symlink_to(copy.data_folder, target_is_directory=True)
    packed = folder / SEED
    if "build" not in copy.project.entry_points:
        if packed.is_file():
            return packed
        raise PackageError(
            f"package {copy.name} has no entry point 'build' and no {SEED}: add one of them, or "
            "name the first weights with --seed-model"
        )
    finished = runner(
        copy.project,
        "build",
        [],
        environment=environment,
        variables={"FEDLOOM_SEED": str(seed)},
        working_folder=folder,
        timeout_s=timeout_s,
        on_output=on_output,
    )
    if not finished.succeeded:
        raise PackageError(f"package {copy.name}: {_explain(finished)}")
    found = [path for path in (project / SEED, packed) if path.is_file()]
    if not found:
        raise PackageError(
            f"package {copy.name}: build ended well but wrote no seed model: ../{SEED}, seen from "
            "the package's folder, is where it belongs"
        )
    return found[0]


def _explain(finished: Finished) -> str:
    lines = [line for line in finished.tail if line.strip()][-_LINES_SHOWN:]
    return "\n".join([finished.explain(), *(f"  | {line}" for line in lines)])


def read_seed(path: Path) -> Weights:
    """Read the first weights of a run.

    Raises:
        PackageError: the file is no model, holds values that are not finite, or numbers that
            cannot be averaged.
    """
    if not path.is_file():
        raise PackageError(f"seed model {path} does not exist")
    weights = fit_arrays(read_arrays(path, None, None), None, path.name, [])
    for index, array in enumerate(weights):
        if array.dtype.kind not in "fi":
            raise PackageError(
                f"array {index} of {path.name} has the type {array.dtype}: floats and signed "
                "integers can be averaged"
            )
    return [np.asarray(array) for array in weights]
