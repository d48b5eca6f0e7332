"""Trying one entry point by hand: give it what it expects, check what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedloom.errors import InputError, PackageError, RunFailedError
from fedloom.files import output_errors, write_text
from fedloom.package.arrays import read_arrays
from fedloom.package.contract import metadata_path, read_metrics, read_update
from fedloom.package.run import Finished, run_entry_point

if TYPE_CHECKING:
    from fedloom.package.environment import PackageEnvironment
    from fedloom.package.project import Project

__all__ = ["WITH_MODEL", "Trial", "try_entry_point"]

WITH_MODEL = ("train", "validate", "predict")
"""Entry points that get a model and a place for what they make of it."""


@dataclass(frozen=True)
class Trial:
    """An entry point that ended well and left what it should.

    Attributes:
        finished: how it ended.
        left: one line on what it left; empty for those that leave nothing agreed upon.
        warnings: one line each for what was accepted and should be mended.
    """

    finished: Finished
    left: str = ""
    warnings: tuple[str, ...] = ()


def try_entry_point(
    project: Project,
    name: str,
    environment: PackageEnvironment,
    *,
    model: Path | None = None,
    output: Path | None = None,
    variables: Mapping[str, str] = {},
    timeout_s: float | None = None,
    on_output: Callable[[str], None] | None = None,
) -> Trial:
    """Run an entry point once, in the package's folder, and check what it leaves.

    Args:
        project: the package.
        name: of the entry point.
        environment: whose Python runs it.
        model: for those of `WITH_MODEL`: the model file. Its metadata are written if missing.
        output: for those of `WITH_MODEL`: where it is to write. Folders are made.
        variables: process environment beside this process's.
        timeout_s: seconds after which it is stopped.
        on_output: called with each line that it prints.

    Raises:
        PackageError: the package has no such entry point.
        InputError: there is no such model.
        RunFailedError: it failed, or did not leave what it should.
    """
    project.require(name)
    arguments = []
    if name in WITH_MODEL:
        assert model is not None
        assert output is not None
        arguments = [model.absolute(), output.absolute()]
        _prepare_files(*arguments)
    before = [_read_state(path) for path in _list_outputs(name, output)]
    finished = run_entry_point(
        project,
        name,
        arguments,
        environment=environment,
        variables=variables,
        timeout_s=timeout_s,
        on_output=on_output,
    )
    if not finished.succeeded:
        raise RunFailedError(finished.explain())
    if name not in WITH_MODEL:
        return Trial(finished)
    # A file of an earlier call must not pass for what this one left.
    for path, state in zip(_list_outputs(name, output), before, strict=True):
        if state and _read_state(path) == state:
            raise RunFailedError(f"{name} ended well, but left {path} as it was")
    try:
        return _check(finished, *arguments)
    except PackageError as error:
        raise RunFailedError(f"{name} ended well, but {error}") from error


def _prepare_files(model: Path, output: Path) -> None:
    if not model.is_file():
        raise InputError(
            f"there is no model {model}: 'fedloom run build' writes a seed model, if the package "
            "has this entry point"
        )
    if not metadata_path(model).exists():
        write_text(metadata_path(model), "{}")
    with output_errors(output):
        output.parent.mkdir(parents=True, exist_ok=True)


def _list_outputs(name: str, output: Path | None) -> list[Path]:
    if name not in WITH_MODEL or output is None:
        return []
    return [output.absolute(), *([metadata_path(output.absolute())] if name == "train" else [])]


def _read_state(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written; nothing if there is none."""
    if not path.is_file():
        return ()
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _check(finished: Finished, model: Path, output: Path) -> Trial:
    if finished.entry_point != "train":
        document, scalars = read_metrics(output)
        metrics = ", ".join(f"{name} {value:.6g}" for name, value in scalars.items())
        return Trial(finished, f"{output}: {metrics or _describe(document)}")
    update = read_update(output, _read_model(model))
    count = sum(array.size for array in update.weights)
    arrays = "1 array" if len(update.weights) == 1 else f"{len(update.weights)} arrays"
    left = f"{output}: {arrays}, {count:,} parameters, num_examples {update.num_examples:,}"
    return Trial(finished, left, update.warnings)


def _read_model(path: Path) -> list[Any] | None:
    """Return the arrays that an update must match, unless the model is in a form of its own."""
    try:
        return read_arrays(path, None, None)
    except PackageError:
        return None


def _describe(document: Any) -> str:
    return f"a JSON {type(document).__name__} without numbers"
