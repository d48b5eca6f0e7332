"""What a form for a new task needs to know of a version: what it can do, and what it takes."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from fedloom.errors import PackageError
from fedloom.federation.algorithms import RECIPES
from fedloom.federation.algorithms.parameters import PARAMETERS
from fedloom.package.archive import extract_archive
from fedloom.package.project import read_project
from fedloom.platform.registry import Version
from fedloom.platform.task import LocalSettings

__all__ = ["AlgorithmForm", "NumberField", "SettingField", "TaskForm", "describe_form"]

_PLAIN = "plain"


@dataclass(frozen=True)
class NumberField:
    """A parameter of an algorithm: its default, what it means, and which numbers are possible."""

    name: str
    default: float
    meaning: str
    range: str


@dataclass(frozen=True)
class SettingField:
    """A local setting: its default as the package declares it, or None where that is its own."""

    name: str
    kind: str
    meaning: str
    default: int | float | str | None = None


@dataclass(frozen=True)
class AlgorithmForm:
    """An algorithm that the version can be trained by, with its parameters."""

    name: str
    params: Sequence[NumberField]


@dataclass(frozen=True)
class TaskForm:
    """What a form for a new task needs.

    Attributes:
        model: name of the registered model.
        version: its version.
        use_case: the only one it is for, or None for all.
        entry_points: what the package can do.
        trains: whether it can be trained at all.
        validates: whether clients can score the new weights.
        algorithms: what it can be trained by, the usual one first.
        settings: how each client trains.
    """

    model: str
    version: int
    use_case: str | None
    entry_points: Sequence[str]
    trains: bool
    validates: bool
    algorithms: Sequence[AlgorithmForm] = ()
    settings: Sequence[SettingField] = field(default=())


def describe_form(version: Version, archive: Path | None) -> TaskForm:
    """Return the form of a version.

    Args:
        version: of a registered model.
        archive: its package; a mapping ``settings`` in its project file declares defaults.

    Raises:
        PackageError: the archive is damaged.
    """
    points = tuple(version.entry_points)
    trains = "train" in points
    declared = _read_declared(archive) if archive is not None else {}
    return TaskForm(
        model=version.name,
        version=version.version,
        use_case=version.use_case,
        entry_points=points,
        trains=trains,
        validates="validate" in points,
        algorithms=tuple(_list_algorithms()) if trains else (),
        settings=tuple(_list_settings(declared)) if trains else (),
    )


def _list_algorithms() -> list[AlgorithmForm]:
    """Return the algorithms that ask nothing of a package in its every step."""
    fit = [(n, r) for n, r in RECIPES.items() if r.objective(r.defaults).name == _PLAIN]
    return [
        AlgorithmForm(
            name,
            tuple(
                NumberField(
                    param, default, PARAMETERS[param].meaning, PARAMETERS[param].describe_range()
                )
                for param, default in recipe.defaults.items()
            ),
        )
        for name, recipe in fit
    ]


_KINDS = {"epochs": "integer", "batch_size": "integer", "learning_rate": "number"}


def _list_settings(declared: Mapping[str, Any]) -> list[SettingField]:
    return [
        SettingField(
            name,
            _KINDS.get(name, "text"),
            (info.description or "").strip(),
            _read_default(declared.get(name)),
        )
        for name, info in LocalSettings.model_fields.items()
    ]


def _read_default(value: Any) -> int | float | str | None:
    return value if isinstance(value, int | float | str) and not isinstance(value, bool) else None


def _read_declared(archive: Path) -> Mapping[str, Any]:
    """Return the mapping ``settings`` of the project file, if there is one."""
    with tempfile.TemporaryDirectory(prefix="fedloom-form-") as scratch:
        folder = Path(scratch).resolve() / "package"
        extract_archive(archive, folder)
        file = read_project(folder).file
        try:
            found = yaml.safe_load(file.read_text("utf-8"))
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise PackageError(f"{file.name} of the package cannot be read: {error}") from error
    settings = found.get("settings") if isinstance(found, dict) else None
    return settings if isinstance(settings, dict) else {}
