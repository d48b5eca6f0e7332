"""The project file: where it lies, what it names, and what is wrong with it."""

from __future__ import annotations

import os
import re
import reprlib
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fedloom.errors import PackageError
from fedloom.package.ignore import is_never_packed
from fedloom.package.schema import ENTRY_POINT_NAMES, EntryPointSection, ProjectFile
from fedloom.package.yaml_lines import KeyPath, LinedYaml, read_lined_yaml

__all__ = ["PROJECT_FILES", "EntryPoint", "Project", "find_project_folder", "read_project"]

PROJECT_FILES = ("fedloom.yaml", "scaleout.yaml", "fedn.yaml")
"""Names of the project file; where a folder holds several, the first of these is read."""

_MOST_FOLDERS = 10_000
"""How many folders are looked into for a project file before the search is given up."""

_WANTED: dict[KeyPath, str] = {
    (): "a mapping with the key entry_points",
    ("python_env",): "the path of a file in the package, such as python_env.yaml",
    ("entry_points",): "a mapping of names to commands, such as `train: python train.py`",
    ("entry_points", "*"): "a command such as `python train.py`, or a mapping with the key command",
    ("entry_points", "*", "command"): "text, such as `python train.py`",
}


@dataclass(frozen=True)
class EntryPoint:
    """A command of a package, as its author wrote it."""

    name: str
    command: str


@dataclass(frozen=True)
class Project:
    """A compute package on this machine.

    Attributes:
        folder: the folder of the project file, absolute; commands run in it.
        file: the project file.
        python_env: the file that describes the environment; None means the current one.
        entry_points: by name.
        warnings: one line each for what was passed over.
    """

    folder: Path
    file: Path
    python_env: Path | None
    entry_points: Mapping[str, EntryPoint]
    warnings: tuple[str, ...]

    def require(self, name: str) -> EntryPoint:
        """Return the entry point `name`.

        Raises:
            PackageError: the project file does not name it.
        """
        if name not in self.entry_points:
            raise PackageError(
                f"{self.file}: key 'entry_points.{name}' is missing: give it a command, such as "
                f"`{name}: python {name}.py`; there are {', '.join(self.entry_points)}"
            )
        return self.entry_points[name]


def read_project(folder: Path) -> Project:
    """Read the project file in a folder, or in the nearest one below it that holds one.

    Args:
        folder: where to look. Of several project files in one folder, the first of
            `PROJECT_FILES` is read.

    Raises:
        PackageError: there is no project file, or it is wrong; the message names file, line and
            key.
    """
    home = find_project_folder(folder)
    present = [name for name in PROJECT_FILES if (home / name).is_file()]
    document = read_lined_yaml(home / present[0], "project file")
    try:
        content = ProjectFile.model_validate(document.value)
    except ValidationError as error:
        raise PackageError(_explain(document, error.errors()[0])) from error
    warnings = [f"{home / name} is not read, because {present[0]} is there" for name in present[1:]]
    absolute = home.resolve()
    return Project(
        folder=absolute,
        file=absolute / present[0],
        python_env=_find_environment(document, content.python_env, absolute),
        entry_points={
            name: EntryPoint(name, section.command)
            for name, section in content.entry_points.items()
        },
        warnings=(*warnings, *_list_oddities(document)),
    )


def find_project_folder(folder: Path) -> Path:
    """Return `folder`, or the nearest folder below it, that holds a project file.

    Raises:
        PackageError: there is none, or `folder` is no folder.
    """
    if not folder.is_dir():
        fault = "is a file: name the folder that holds it" if folder.exists() else "does not exist"
        raise PackageError(f"package folder {folder} {fault}")
    waiting = deque([folder])
    for _ in range(_MOST_FOLDERS):
        if not waiting:
            break
        candidate = waiting.popleft()
        if any((candidate / name).is_file() for name in PROJECT_FILES):
            return candidate
        waiting.extend(_list_folders(candidate))
    raise PackageError(
        f"{folder} holds no project file: wanted is {', '.join(PROJECT_FILES[:-1])} or "
        f"{PROJECT_FILES[-1]}, there or in a folder below"
    )


def _list_folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            inner = [Path(e) for e in entries if e.is_dir(follow_symlinks=False)]
    except PermissionError:  # what cannot be read is not the user's package
        return []
    return sorted(path for path in inner if not is_never_packed(path, is_folder=True))


def _explain(document: LinedYaml, fault: ErrorDetails) -> str:
    """Put the first fault that the model found into one line."""
    path = tuple(str(key) for key in fault["loc"])
    wanted = _WANTED[tuple("*" if i == 1 else key for i, key in enumerate(path))]
    named = f"key '{'.'.join(path)}' " if path else "the file "
    if fault["type"] == "missing":
        found = "is missing"
    elif fault["input"] in (None, "", {}):
        found = "is empty"
    else:
        found = f"is {reprlib.repr(fault['input'])}"
    return f"{document.place(path)}: {named}{found}: wanted is {wanted}"


def _find_environment(document: LinedYaml, name: str | None, folder: Path) -> Path | None:
    if not name:
        return None
    place = f"{document.place(('python_env',))}: key 'python_env' is {name!r}"
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(folder):
        raise PackageError(f"{place}: the file must lie inside the package")
    if not path.is_file():
        raise PackageError(f"{place}: {path} is no file")
    return path


def _list_oddities(document: LinedYaml) -> Iterator[str]:
    """Say what was passed over or may be a slip: unknown and repeated keys, unknown names."""
    for path in document.repeated:
        yield f"{document.place(path)}: key '{'.'.join(path)}' stands there twice; the last counts"
    yield from _list_unknown(document, (), document.value, list(ProjectFile.model_fields))
    entry_points = document.value["entry_points"]
    for name, section in entry_points.items():
        command = section["command"] if isinstance(section, dict) else section
        path = ("entry_points", name)
        if isinstance(section, dict):
            yield from _list_unknown(document, path, section, list(EntryPointSection.model_fields))
        if re.match(r"\s*[^\s/]+\.py\b", command):
            yield f"{document.place(path)}: {command!r} is no command: did you mean `python …`?"
        near = get_close_matches(name, ENTRY_POINT_NAMES, n=1, cutoff=0.75)
        if near and near[0] not in entry_points:
            yield f"{document.place(path)}: entry point {name!r}: did you mean {near[0]!r}?"


def _list_unknown(
    document: LinedYaml, path: KeyPath, section: Mapping[str, object], known: list[str]
) -> Iterator[str]:
    for key in section:
        if key not in known:
            near = get_close_matches(key, known, n=1, cutoff=0.6)
            hint = f": did you mean {near[0]!r}?" if near else ""
            inner = (*path, key)
            yield f"{document.place(inner)}: unknown key '{'.'.join(inner)}' is not read{hint}"
