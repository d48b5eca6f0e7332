"""From an entry point's command to what the system is asked to start."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from fedloom.errors import PackageError
from fedloom.package.run.guard import Guard
from fedloom.package.run.tree import MARK

if TYPE_CHECKING:
    from fedloom.package.environment import PackageEnvironment
    from fedloom.package.project import Project

__all__ = ["Call", "prepare_call"]

_PYTHON_NAMES = ("python", "python3")

_SHELL_SIGNS = re.compile(r"[|&;<>()$`*?~\n]|^\s*\w+=")
"""What only a shell can read: pipes, lists, variables, patterns, assignments."""

_DEFAULT_VARIABLES = {
    # Lines shall come when they are printed, and not be lost with a process that is killed.
    "PYTHONUNBUFFERED": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
}


@dataclass(frozen=True)
class Call:
    """One call of an entry point, ready to be started.

    Attributes:
        entry_point: its name.
        words: program and arguments.
        folder: working directory.
        variables: the whole process environment.
        mark: this call's value of `MARK` among them.
        guard: bounds around it, if the caller wants any.
    """

    entry_point: str
    words: tuple[str, ...]
    folder: Path
    variables: Mapping[str, str]
    mark: str
    guard: Guard | None = None

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words to put before the program; they end in executing it."""
        return () if self.guard is None else self.guard.prefix


def prepare_call(
    project: Project,
    name: str,
    arguments: Sequence[Path | str],
    environment: PackageEnvironment,
    variables: Mapping[str, str],
    working_folder: Path | None,
    guard: Guard | None = None,
) -> Call:
    """Split an entry point's command, and append arguments.

    `python` is the environment's. A command with shell syntax (`a && b`, `$HOME`, `*.npz`) is
    given to bash, or sh, as the original does with all commands. Where `working_folder` is not
    the package's folder, a path in the command that only the package holds means that file.

    Raises:
        PackageError: there is no such entry point, its command cannot be split, or the working
            folder is missing.
    """
    command = project.require(name).command
    folder = (working_folder or project.folder).absolute()
    if not folder.is_dir():
        raise PackageError(f"working folder {folder} of entry point {name!r} does not exist")
    mark = uuid4().hex
    everything = {**_DEFAULT_VARIABLES, **environment.variables(os.environ), **variables}
    if folder != project.folder.absolute():
        # Modules started with `python -m` are the package's, wherever the command runs.
        paths = (str(project.folder.absolute()), everything.get("PYTHONPATH", ""))
        everything["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    words = _split(project, name, command, folder, environment.python)
    return Call(
        entry_point=name,
        words=(*words, *(os.fspath(argument) for argument in arguments)),
        folder=folder,
        variables={**everything, MARK: mark},
        mark=mark,
        guard=guard,
    )


def _split(project: Project, name: str, command: str, folder: Path, python: Path) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        reason = str(error).lower()
        raise PackageError(
            f"{project.file}: command {command!r} of entry point {name!r} cannot be split into "
            f"words: {reason}"
        ) from error
    if not words or not words[0]:
        raise PackageError(f"{project.file}: the command of entry point {name!r} is empty")
    if _SHELL_SIGNS.search(command):
        return ["bash", "-c", f'{command} "$@"', "bash"]
    words = [_find_file(word, project.folder, folder) for word in words]
    return [str(python) if words[0] in _PYTHON_NAMES else words[0], *words[1:]]


def _find_file(word: str, package: Path, folder: Path) -> str:
    """Return the package's own file for a relative path that the working folder does not hold."""
    is_path = not word.startswith("-") and not Path(word).is_absolute()
    if is_path and not (folder / word).exists() and (package / word).is_file():
        return str((package / word).absolute())
    return word
