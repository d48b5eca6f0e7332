"""Writing configurations, for what imports them from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from fedloom.errors import InputError
from fedloom.files import write_text
from fedloom.workload.config.yaml_text import FLOAT, FLOAT_STARTS, FLOAT_TAG

__all__ = ["render_config", "write_config"]


_BREAKS = frozenset("\x85\u2028\u2029")
"""Characters that YAML 1.1 takes for ends of lines."""


class _Dumper(yaml.SafeDumper):
    """Quotes texts that would be read back as numbers (1e3)."""


_Dumper.add_implicit_resolver(FLOAT_TAG, FLOAT, FLOAT_STARTS)


def write_config(config: Mapping[str, Any], path: Path) -> None:
    """Write what a configuration file holds, in one step.

    Args:
        config: maps, lists, texts, finite numbers, truth values and None.
        path: ``.json``, ``.yaml`` or ``.yml``.

    Raises:
        InputError: another suffix, or a value that no file can hold.
        OutputError: the file cannot be written.
    """
    write_text(path, render_config(config, path.suffix.lower()))


def render_config(config: Mapping[str, Any], suffix: str) -> str:
    """Return the text of a configuration file (see `write_config`).

    Example:
        >>> render_config({"models": {}}, ".yaml")
        'models: {}\\n'
    """
    if suffix not in (".json", ".yaml", ".yml"):
        raise InputError(f"configurations are written as .json, .yaml or .yml, not {suffix!r}")
    try:
        text = json.dumps(config, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"the configuration cannot be written: {error}") from error
    if suffix == ".json":
        return text
    plain = _BREAKS.isdisjoint(text)  # else the writer and the reader of YAML disagree on them
    return yaml.dump(json.loads(text), Dumper=_Dumper, sort_keys=False, allow_unicode=plain)
