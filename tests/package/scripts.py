"""Small packages of one script, and what runs them."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

from fedloom.package.environment import PackageEnvironment
from fedloom.package.project import Project, read_project

HERE = PackageEnvironment(Path(sys.executable), None, created=False)


def make_project(folder: Path, script: str, *, command: str = "python train.py") -> Project:
    """Write a package whose `train` runs `script`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fedloom.yaml").write_text(f"entry_points:\n  train: {command!r}\n", "utf-8")
    (folder / "train.py").write_text(textwrap.dedent(script), "utf-8")
    return read_project(folder)
