"""Finding and opening configuration files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fedloom.workload.config.faults import ConfigError, Fault
from fedloom.workload.config.json_text import parse_json
from fedloom.workload.config.places import Document, Parsed, SourceError, is_file
from fedloom.workload.config.shipped import find_shipped, shipped_configs
from fedloom.workload.config.toml_text import parse_toml
from fedloom.workload.config.wording import hint_at, show
from fedloom.workload.config.yaml_text import parse_yaml

__all__ = ["PARSERS", "read_document"]

PARSERS: Mapping[str, Callable[[str], Parsed]] = {
    ".json": parse_json,
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
    ".toml": parse_toml,
}
"""What reads a file, by its suffix."""


def read_document(path: Path | str) -> Document:
    """Read one configuration file.

    A path that is no file, but the name of a shipped configuration (with or without suffix),
    stands for that one.

    Args:
        path: the file.

    Raises:
        ConfigError: it does not exist, cannot be read, is malformed, or holds no map.
    """
    named, path = str(path), Path(path)
    if not is_file(path) and (shipped := find_shipped(named)):
        named, path = shipped.name, shipped
    text = _read_text(named, path)
    if (parse := PARSERS.get(path.suffix.lower())) is None:
        raise _refuse(named, f"has the suffix {path.suffix!r}", f"use {', '.join(PARSERS)}")
    try:
        parsed = parse(text)
    except SourceError as error:
        raise _refuse(named, error.problem, line=error.line) from error
    value = _take_map(named, parsed.value)
    return Document(named, path.parent, value, parsed.lines, parsed.repeated)


def _read_text(named: str, path: Path) -> str:
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError as error:
        hint = hint_at(named, shipped_configs())
        raise _refuse(named, "does not exist", f"of the shipped ones: {hint}") from error
    except IsADirectoryError as error:
        raise _refuse(named, "is a folder", "name a file in it") from error
    except UnicodeDecodeError as error:
        raise _refuse(named, f"is no UTF-8 text: {error.reason}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _refuse(named, f"cannot be read: {reason}") from error
    if not text.strip():
        raise _refuse(named, "is empty", "write models and workflows")
    return text


def _take_map(named: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        raise _refuse(named, "is empty", "write models and workflows")
    if not isinstance(value, dict):
        raise _refuse(named, f"holds {show(value)}", "a map with models and workflows is right")
    return value


def _refuse(named: str, problem: str, remedy: str = "", line: int | None = None) -> ConfigError:
    return ConfigError((Fault(named, line, "", problem, remedy),))
