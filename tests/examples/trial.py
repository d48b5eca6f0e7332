"""Examples are run as a client runs them: in real processes, in a copy, in this environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from fedloom.package import (
    PackageEnvironment,
    PackageUpdate,
    Project,
    read_metrics,
    read_project,
    read_update,
)
from fedloom.package.run import run_entry_point

__all__ = ["EXAMPLES", "HERE", "TEMPLATES", "Trial", "copy_project", "require"]

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TEMPLATES = ROOT / "src" / "fedloom" / "package" / "templates"
HERE = PackageEnvironment(Path(sys.executable), folder=None, created=False)
SECONDS = 60

# What the walk-through leaves behind where somebody tried the examples in place.
LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "clients", "*.npz", "*-metadata", "outputs")


def require(folder: Path) -> None:
    """Skip a test whose package needs a framework that is not installed here."""
    for framework in ("torch", "keras", "flwr"):
        named = framework in (folder / "client" / "python_env.yaml").read_text("utf-8")
        if named and find_spec(framework) is None:
            pytest.skip(f"{framework} is not installed in this environment")


@dataclass(frozen=True)
class Trial:
    """A copy of an example, and its entry points."""

    folder: Path
    project: Project
    variables: Mapping[str, str]

    @property
    def seed(self) -> Path:
        return self.folder / "seed.npz"

    def run(self, name: str, *arguments: Path) -> None:
        finished = run_entry_point(
            self.project,
            name,
            arguments,
            environment=HERE,
            variables=self.variables,
            timeout_s=SECONDS,
        )
        assert finished.succeeded, "\n".join([finished.explain(), *finished.tail])

    def train(self, model: Path, settings: Mapping[str, Any] | None = None) -> PackageUpdate:
        """Train on a model, and check what is left; the update's file is `update.npz`."""
        Path(f"{model}-metadata").write_text(json.dumps(settings or {}), "utf-8")
        self.run("train", model, self.folder / "update.npz")
        return read_update(self.folder / "update.npz", None)

    def validate(self, model: Path) -> dict[str, float]:
        self.run("validate", model, self.folder / "metrics.json")
        return read_metrics(self.folder / "metrics.json")[1]

    def python(self, *words: str) -> None:
        """Run Python by hand inside the package, as its author does."""
        variables = HERE.variables(os.environ) | self.variables
        ended = subprocess.run(
            [sys.executable, *words],
            cwd=self.project.folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert ended.returncode == 0, ended.stderr


def copy_project(
    source: Path, folder: Path, begin: Sequence[str] = ("build", "startup"), **variables: str
) -> Trial:
    """Copy a project to a folder that does not exist yet, and run the entry points `begin`."""
    require(source)
    shutil.copytree(source, folder, ignore=LEFT_BEHIND)
    threads = {"OMP_NUM_THREADS": "1"}
    trial = Trial(folder, read_project(folder / "client"), threads | variables)
    for name in begin:
        trial.run(name)
    return trial
