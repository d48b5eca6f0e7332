"""Reading configurations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedloom.workload.config.check import check_files
from fedloom.workload.config.faults import ConfigError
from fedloom.workload.config.workload_config import WorkloadConfig

__all__ = ["ConfigReading", "read_config"]


@dataclass(frozen=True)
class ConfigReading:
    """A configuration that can be used.

    Attributes:
        config: checked and resolved.
        warnings: what may be meant otherwise, each with its place, on one line.
    """

    config: WorkloadConfig
    warnings: tuple[str, ...]


def read_config(paths: Sequence[Path | str]) -> ConfigReading:
    """Read configuration files that are used together.

    Maps merge; for anything else, and where two files define the same, the later file wins.

    Args:
        paths: JSON, YAML or TOML by suffix. A path that is no file, but the name of a shipped
            configuration (``test_baseline.json``), stands for that one.

    Raises:
        ConfigError: with all faults.

    Example:
        >>> read_config(["test_baseline.json"]).config.name
        'test_baseline.json'
    """
    result = check_files(paths)
    if result.config is None:
        raise ConfigError(result.faults)
    return ConfigReading(result.config, result.warnings)
