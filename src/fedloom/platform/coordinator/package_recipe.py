"""From a task that trains a package of the registry to what the loop needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedloom.errors import InputError
from fedloom.experiment.package_parts import refuse_objective
from fedloom.experiment.plan import PACKAGE_SETTINGS, make_plan
from fedloom.fleet.flower.handlers import package_settings
from fedloom.platform.coordinator.recipe import (
    Recipe,
    Terms,
    digest_task,
    no_score,
    shape_of_algorithm,
)
from fedloom.platform.registry import (
    Registry,
    Version,
    download_package,
    get_version,
    load_weights,
)
from fedloom.platform.task import Task

__all__ = ["make_package_recipe"]


def make_package_recipe(task: Task, registry: Registry) -> Recipe:
    """Bring a task's package and first weights.

    Raises:
        NotFoundError: the registry has no such version.
        PackageError: the version holds no package, or not the one that it names.
        InputError: the algorithm is not for packages, or the version is for another use case.
        LinkError: the registry cannot be reached.
    """
    version = get_version(registry, task.model_name, task.model_version, asked_at=task.created_at)
    _check_use_case(task, version)
    terms, told = _read_terms(task)
    algorithm = shape_of_algorithm(terms)
    refuse_objective(algorithm)
    archive = download_package(registry, version)
    weights = [np.asarray(array) for array in load_weights(registry, version)]
    name = _name_package(version)
    settings = package_settings(
        name,
        version.digest,
        task.use_case,
        {"seed": terms.seed, **told},
        [signature.describe() for signature in version.signatures],
    )
    columns = {
        "run_id": digest_task(task, {"package": version.digest, "weights": _weights_of(version)}),
        "dataset": task.use_case,
        "task": "",
        "model": name,
        "algorithm": algorithm.name,
        "backend": "package",
        "partition": "",
        "partition_param": None,
    }
    return Recipe(
        terms=terms,
        settings=settings,
        weights=weights,
        trainable_indices=[i for i, w in enumerate(weights) if w.dtype.kind == "f"],
        columns=columns,
        archive=archive,
        scorer=None if task.validates and _validates(version) else no_score,
        news=_list_news(version, task),
    )


def _read_terms(task: Task) -> tuple[Terms, Mapping[str, Any]]:
    """Return how the clients learn, and what their scripts are told of it."""
    rounds = task.num_global_iterations
    if task.plan is None:
        local = task.local.model_dump(exclude_none=True) if task.local else {}
        params = dict(task.algorithm_params or {})
        algorithm = task.algorithm or "FedAvg"
        return Terms(algorithm, params, task.cohort, task.seed, rounds), local
    plan = make_plan({**task.plan, "package": task.plan.get("package") or task.model_name})
    told = {k: getattr(plan, k) for k in PACKAGE_SETTINGS if k in plan.model_fields_set}
    params = plan.algorithm_settings
    return Terms(plan.algorithm, params, plan.cohort, plan.seed, rounds), told


def _check_use_case(task: Task, version: Version) -> None:
    if version.use_case is not None and version.use_case != task.use_case:
        raise InputError(
            f"use_case={task.use_case}: {version} was registered for {version.use_case}"
        )


def _name_package(version: Version) -> str:
    """Return the name under which owners allow a package: that of the model it was pushed as."""
    return version.name.removeprefix("trained_")


def _weights_of(version: Version) -> str:
    return "" if version.weights is None else version.weights.sha256


def _list_news(version: Version, task: Task) -> list[str]:
    if task.validates and not _validates(version):
        return [f"{version} has no entry point validate: its weights are not scored"]
    return []


def _validates(version: Version) -> bool:
    return "validate" in version.entry_points
