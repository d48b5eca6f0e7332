"""Reading a configuration file, with the line of every key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fedloom.errors import InputError
from fedloom.platform.config.config import PATH_KEYS

__all__ = ["ConfigFile", "read_file"]

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class ConfigFile:
    """What a file says.

    Attributes:
        path: where it lies; None for no file.
        values: by key; relative paths are made to start in the file's folder.
        lines: number of each key's line, from 1.
    """

    path: Path | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    def place(self, key: str) -> str:
        """Return where a key stands, for people."""
        line = self.lines.get(key)
        return f"{self.path} line {line}" if line else str(self.path)


def read_file(path: Path) -> ConfigFile:
    """Read a file of keys and values.

    Raises:
        InputError: it is missing, cannot be read, is no YAML, or no mapping.
    """
    try:
        text = path.read_text("utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise InputError(f"configuration {path} does not exist") from error
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"{path}{line} is no YAML: {error.problem}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as YAML: {str(error).splitlines()[0]}") from error
    if values is None:
        return ConfigFile(path)
    if not isinstance(values, dict) or not isinstance(node, yaml.MappingNode):
        raise InputError(f"{path} holds a {type(values).__name__}: wanted are keys and values")
    lines = _number_lines(path, node)
    return ConfigFile(path, _anchor(values, path.absolute().parent), lines)


def _number_lines(path: Path, node: yaml.MappingNode) -> dict[str, int]:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"{path} line {line}: a key must be a word")
        if key.value in lines:
            raise InputError(f"{path} line {line}: {key.value} stands here a second time")
        lines[key.value] = line
    return lines


def _anchor(values: Mapping[Any, Any], home: Path) -> dict[str, Any]:
    """Let relative paths start in the file's folder, those of SQLite files too."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, str) and key in PATH_KEYS:
            value = str(home / Path(value).expanduser())
        elif isinstance(value, str) and value.startswith(_SQLITE) and key.endswith("_url"):
            value = f"{_SQLITE}{home / value.removeprefix(_SQLITE)}"
        elif key == "superlinks" and isinstance(value, list):
            value = [_anchor_link(link, home) for link in value]
        found[str(key)] = value
    return found


def _anchor_link(link: Any, home: Path) -> Any:
    if not isinstance(link, dict):
        return link
    return {
        key: str(home / value) if key in ("secret", "ca") and isinstance(value, str) else value
        for key, value in link.items()
    }
