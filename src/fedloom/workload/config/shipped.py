"""The configurations that come with Fedloom."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["find_shipped", "shipped_configs"]


def shipped_configs() -> dict[str, Path]:
    """Return the shipped configurations: file name → file, by name.

    Example:
        >>> "test_baseline.json" in shipped_configs()
        True
    """
    folder = Path(str(files("fedloom.workload"))) / "configs"
    found = (path for path in folder.iterdir() if path.suffix in (".json", ".yaml", ".toml"))
    return {path.name: path for path in sorted(found)}


def find_shipped(name: str) -> Path | None:
    """Return the shipped configuration of this name, with or without its suffix; else None."""
    for shipped, path in shipped_configs().items():
        if name in (shipped, path.stem):
            return path
    return None
