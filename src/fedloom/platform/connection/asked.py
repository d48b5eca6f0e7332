"""What a task is asked for with, from a plan, or from a model's name and little else."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedloom.errors import InputError
from fedloom.platform.connection.models import Models
from fedloom.platform.connection.packages import Packages

if TYPE_CHECKING:
    from fedloom.experiment.plan import Plan

__all__ = ["ask_by_plan", "fill_in"]

_ROUNDS = 5
_NOT_LIVE = ("output", "output_dir", "data_dir", "seed_model", "package_digest")
"""Keys of a plan that are about the machine that simulated it."""


def fill_in(asked: Mapping[str, Any], models: Models) -> dict[str, Any]:
    """Return the fields of a task with what can be told from the model.

    Raises:
        InputError: no model is named.
        NotFoundError: there is no such model or version.
    """
    name = asked.get("model_name")
    if not name:
        raise InputError("model_name is missing: name what is to be trained, or give a plan")
    filled = dict(asked)
    if "model_version" not in filled:
        filled["model_version"] = models.latest(name).version
    if "use_case" not in filled:
        version = models.get(name, filled["model_version"])
        filled["use_case"] = version.use_case or name
    defaults = {
        "num_global_iterations": _ROUNDS,
        "run_name": f"{name}-{filled['model_version']}",
        "experiment_name": "Default",
    }
    return {**defaults, **filled}


def ask_by_plan(
    plan: str | PathLike[str] | Mapping[str, Any] | Plan,
    asked: Mapping[str, Any],
    packages: Packages,
) -> dict[str, Any]:
    """Return the fields of a task that does what a plan says; a package is pushed first.

    Raises:
        InputError: the plan is wrong, or says the same thing as a field.
        DataError: the file is missing or malformed.
    """
    from fedloom.experiment.plan import make_plan
    from fedloom.experiment.reading import read_plan

    read = make_plan(plan) if isinstance(plan, Mapping) else read_plan(plan, {})
    if read.package is not None:
        return _ask_by_package(read, asked, packages)
    content = {key: value for key, value in read.content.items() if key not in _NOT_LIVE}
    return {**asked, "plan": content}


def _ask_by_package(plan: Plan, asked: Mapping[str, Any], packages: Packages) -> dict[str, Any]:
    """Push the package, and say the rest of the plan in a task's own words."""
    assert plan.package is not None
    path = Path(plan.package)
    name = asked.get("model_name") or _name_package(path)
    use_case = asked.get("use_case") or name
    seed = Path(plan.seed_model) if plan.seed_model else None
    version = packages.push(path, name, use_case=use_case, seed_model=seed)
    said: dict[str, Any] = {
        "model_name": version.name,
        "model_version": version.version,
        "use_case": use_case,
        "num_global_iterations": plan.rounds,
        "run_name": f"{version.name}-{version.version}",
        "experiment_name": "Default",
        "algorithm": plan.algorithm,
        "algorithm_params": plan.algorithm_settings or None,
        "cohort": plan.cohort,
        "local": dict(plan.package_settings) or None,
        "seed": plan.seed,
    }
    return {key: value for key, value in {**said, **asked}.items() if value is not None}


def _name_package(path: Path) -> str:
    """Return what a package is called, from its place: ``iris/client`` is iris."""
    folder = path.absolute()
    stem = folder.name.split(".")[0]
    return folder.parent.name if stem in ("client", "package") else stem
