"""Reading ``python_env.yaml``: which packages a compute package needs, and on which Python.

The file is read as a tree of YAML nodes, for two reasons: every error can name its line, and
``python: 3.10`` stays 3.10, which plain YAML takes for the number 3.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from fedloom.errors import PackageError
from fedloom.package.environment.python_request import PythonRequest
from fedloom.package.environment.requirement import read_requirement

__all__ = ["EnvironmentFile", "read_environment_file"]

_TEXT, _NULL = "tag:yaml.org,2002:str", "tag:yaml.org,2002:null"
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_KEYS = ("name", "python", "build_dependencies", "dependencies", "scaleout")
"""All keys. `scaleout` is a version of a client library, whose place our helpers take."""


@dataclass(frozen=True)
class EnvironmentFile:
    """What a ``python_env.yaml`` asks for.

    Attributes:
        path: the file.
        name: what the environment is called; the file's name where it gives none.
        python: the Python asked for; None means the one that runs Fedloom.
        build_dependencies: requirements installed first, needed to build others.
        dependencies: requirements, as lines of a requirements file; those that our own helpers
            satisfy (`fedn`, `scaleout`, `scaleoututil`) are left out.
        files: the requirements and constraints files and wheels that the lines name.
    """

    path: Path
    name: str
    python: PythonRequest | None = None
    build_dependencies: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def read_environment_file(path: Path) -> EnvironmentFile:
    """Read a ``python_env.yaml``.

    Raises:
        PackageError: the file is missing, empty, no YAML, has an unknown key or a value of the
            wrong type, or a line is no requirement; the message names file, line and key.
    """
    reading = _Reading(path)
    root = reading.compose()
    values: dict[str, yaml.Node] = {}
    for key, value in root.value:
        if key.value not in _KEYS:
            raise reading.error(key, f"unknown key {key.value!r}: known are {', '.join(_KEYS)}")
        if key.value in values:
            raise reading.error(key, f"key {key.value!r} stands there twice")
        values[key.value] = value
    name, python = values.get("name"), values.get("python")
    files: list[Path] = []
    return EnvironmentFile(
        path=path,
        name=(reading.read_text("name", name) if name else None) or path.stem,
        python=reading.read_python(python) if python else None,
        build_dependencies=tuple(reading.read_lines(values, "build_dependencies", files)),
        dependencies=tuple(reading.read_lines(values, "dependencies", files)),
        files=tuple(files),
    )


class _Reading:
    """One reading of the file at `path`, whose errors name their place in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def error(self, node: yaml.Node, problem: str) -> PackageError:
        return PackageError(f"{self.path}, line {node.start_mark.line + 1}: {problem}")

    def compose(self) -> yaml.MappingNode:
        try:
            root = yaml.compose(self.path.read_text("utf-8"), Loader=yaml.SafeLoader)
        except FileNotFoundError as error:
            raise PackageError(f"environment file {self.path} does not exist") from error
        except (OSError, UnicodeDecodeError) as error:
            raise PackageError(f"environment file {self.path} cannot be read: {error}") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark else ""
            problem = getattr(error, "problem", None) or "it cannot be parsed"
            raise PackageError(f"{self.path}{line}: no valid YAML: {problem}") from error
        if root is None:
            raise PackageError(f"{self.path} is empty: list the dependencies, or remove python_env")
        if not isinstance(root, yaml.MappingNode):
            raise self.error(root, f"a mapping with the keys {', '.join(_KEYS)} is wanted")
        return root

    def read_text(self, key: str, node: yaml.Node) -> str | None:
        if node.tag == _NULL:
            return None
        if node.tag != _TEXT:
            raise self.error(node, f"{key!r} is {_kind(node)}: text is wanted")
        return str(node.value).strip()

    def read_python(self, node: yaml.Node) -> PythonRequest | None:
        if node.tag == _NULL:
            return None
        if node.tag not in (_TEXT, *_NUMBERS):
            raise self.error(node, f"'python' is {_kind(node)}: a version as in 3.11 is wanted")
        try:
            return PythonRequest(str(node.value).strip())
        except ValueError as error:
            raise self.error(node, f"'python' is {node.value!r}: {error}") from error

    def read_lines(
        self, values: dict[str, yaml.Node], key: str, files: list[Path]
    ) -> Iterator[str]:
        """Yield the requirements of a list, and add the files that they name to `files`."""
        node = values.get(key)
        if node is None or node.tag == _NULL:
            return
        if not isinstance(node, yaml.SequenceNode):
            raise self.error(node, f"{key!r} is {_kind(node)}: a list is wanted")
        for item in node.value:
            if item.tag != _TEXT:
                raise self.error(item, f"an item of {key!r} is {_kind(item)}: text is wanted")
            try:
                requirement = read_requirement(item.value, self.path.parent)
            except ValueError as error:
                raise self.error(item, f"{item.value!r} in {key!r}: {error}") from error
            if requirement is not None:
                files += requirement.files
                yield requirement.line


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "empty" if node.tag == _NULL else repr(node.value)
