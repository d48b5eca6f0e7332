"""YAML of which every key remembers its line, so that an error can point at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from fedloom.errors import PackageError

__all__ = ["KeyPath", "LinedYaml", "read_lined_yaml"]

KeyPath: TypeAlias = tuple[str, ...]
"""The keys that lead to a value, the outermost first."""

_LIMIT_BYTES = 64 * 1024
_LINED_DEPTH = 4
"""Keys below this depth have no line; no file that is read here has any that deep."""


@dataclass(frozen=True)
class LinedYaml:
    """A YAML document and where its keys stand.

    Attributes:
        file: where it was read.
        value: the document in plain Python. The keys of the outer four levels are text as written,
            so a key ``on`` is not taken for true.
        lines: key path → line, counted from 1.
        repeated: key paths that stand there twice; the last one counts.
    """

    file: Path
    value: Any
    lines: Mapping[KeyPath, int]
    repeated: tuple[KeyPath, ...]

    def place(self, path: KeyPath) -> str:
        """Return "FILE, line N" for a key, or for the nearest one around it that has a line."""
        while path and path not in self.lines:
            path = path[:-1]
        return f"{self.file}, line {self.lines.get(path, 1)}"


def read_lined_yaml(path: Path, kind: str) -> LinedYaml:
    """Read a small YAML file.

    Args:
        path: the file, at most 64 KiB.
        kind: what the user calls it ("project file").

    Raises:
        PackageError: the file is missing, too large, unreadable or malformed; the message names
            the line where there is one.
    """
    lines: dict[KeyPath, int] = {}
    repeated: list[KeyPath] = []
    try:
        loader = yaml.SafeLoader(_read_text(path, kind))
        node = loader.get_single_node()
        value = None if node is None else _to_plain(loader, node, (), lines, repeated)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise PackageError(f"{path}{where}: no valid YAML: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise PackageError(f"{path}: no valid YAML: {reason}") from error
    return LinedYaml(path, value, lines, tuple(repeated))


def _read_text(path: Path, kind: str) -> str:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise PackageError(f"{kind} {path} is larger than {_LIMIT_BYTES // 1024} KiB")
        return path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise PackageError(f"{kind} {path} does not exist") from error
    except OSError as error:
        raise PackageError(f"{kind} {path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise PackageError(f"{kind} {path} is no UTF-8 text: {error.reason}") from error


def _to_plain(
    loader: yaml.SafeLoader,
    node: yaml.Node,
    path: KeyPath,
    lines: dict[KeyPath, int],
    repeated: list[KeyPath],
) -> Any:
    if not isinstance(node, yaml.MappingNode) or len(path) >= _LINED_DEPTH:
        return loader.construct_object(node, deep=True)
    own = {id(key) for key, _ in node.value}  # all others come from a merge, and may be replaced
    loader.flatten_mapping(node)
    seen: set[str] = set()
    plain: dict[str, Any] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(
                problem="a key must be a name", problem_mark=key.start_mark
            )
        inner = (*path, key.value)
        if id(key) in own:
            if key.value in seen:
                repeated.append(inner)
            seen.add(key.value)
        lines[inner] = key.start_mark.line + 1
        plain[key.value] = _to_plain(loader, value, inner, lines, repeated)
    return plain
