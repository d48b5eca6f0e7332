"""What somebody asks for, read and checked before anything is queued."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from fedloom.errors import InputError
from fedloom.experiment.plan import Plan, make_plan
from fedloom.federation.algorithms import RECIPES
from fedloom.federation.algorithms.parameters import resolve_params
from fedloom.learning.model_names import MODEL_NAMES
from fedloom.platform.registry import Version, VersionKind
from fedloom.platform.registry.names import TRAINED
from fedloom.platform.task import NewTask

__all__ = ["FieldFault", "TaskFieldsError", "check_trainer", "read_task"]

_ANY = 1_000_000
"""A cohort that is large enough for every algorithm, where the task names none."""

_NOT_LIVE = ("output", "output_dir", "data_dir")
"""Keys of a plan that name places on the machine that simulated it; a task has no use for them."""


@dataclass(frozen=True)
class FieldFault:
    """One field that is wrong: the way to it, as in ``("local", "epochs")``, and what is wrong."""

    location: tuple[str | int, ...]
    message: str


class TaskFieldsError(InputError):
    """Fields of a task are missing or wrong.

    Args:
        faults: all of them.
    """

    def __init__(self, faults: tuple[FieldFault, ...]) -> None:
        first = faults[0]
        place = ".".join(str(part) for part in first.location)
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{place + ': ' if place else ''}{first.message}{more}")
        self.faults = faults


def read_task(values: Mapping[str, Any], user_id: str) -> NewTask:
    """Return what is asked for; see `TaskService.create_task`.

    Raises:
        TaskFieldsError: fields are missing or wrong.
    """
    asked = {name: value for name, value in values.items() if value is not None}
    asked.setdefault("user_id", user_id)
    if isinstance(asked.get("plan"), Mapping):
        asked = _fill_from_plan(asked)
    try:
        return NewTask.model_validate(asked)
    except ValidationError as error:
        raise TaskFieldsError(tuple(_list_faults(error))) from error


def check_trainer(asked: NewTask, find: Callable[[str, int], Version]) -> None:
    """Refuse a task that no node could train.

    Args:
        asked: the task.
        find: returns a version of a registered model.

    Raises:
        InputError: the version cannot be trained, not for this use case, or not by this algorithm.
        NotFoundError: there is no such version.
        LinkError: the registry cannot be reached.
    """
    if asked.plan is not None:
        plan = _read_plan(asked.plan)
        optimizer = plan.optimizer
        _check_algorithm(plan.algorithm, plan.algorithm_settings, plan.cohort, optimizer)
        _check_quorum(asked.quorum, plan.cohort)
        if asked.model_name.startswith(TRAINED):  # what it starts from; else from new weights
            find(asked.model_name, asked.model_version)
        return
    algorithm = asked.algorithm or "FedAvg"
    _check_algorithm(algorithm, asked.algorithm_params or {}, asked.cohort, None)
    _check_quorum(asked.quorum, asked.cohort)
    _check_version(asked, find(asked.model_name, asked.model_version))


def _fill_from_plan(asked: dict[str, Any]) -> dict[str, Any]:
    given = {key: value for key, value in asked["plan"].items() if key not in _NOT_LIVE}
    plan = _read_plan(given)
    said = {
        "use_case": plan.dataset_name,
        "model_name": plan.model_name,
        "model_version": 1,
        "num_global_iterations": plan.rounds,
        "run_name": f"{plan.model_name} on {plan.dataset_name}",
        "experiment_name": "Default",
    }
    return {**said, **asked, "plan": given}


def _read_plan(given: Mapping[str, Any]) -> Plan:
    """Read a plan that nodes can train: one of our models, and a data set that they know by name.

    A path would be a file of this machine that a stranger points at.
    """
    try:
        plan = make_plan(given)
    except InputError as error:
        raise TaskFieldsError((FieldFault(("plan",), str(error)),)) from error
    if plan.package is not None:
        raise _wrong_plan(
            "package", "push it with `fedloom package push`, and name it as the model"
        )
    if plan.model not in MODEL_NAMES:
        raise _wrong_plan("model", f"nodes train {', '.join(MODEL_NAMES)}, or packages")
    if plan.dataset != plan.dataset_name or ":" in plan.dataset:
        raise _wrong_plan("dataset", "nodes know data by the name of its use case, not by a file")
    return plan


def _wrong_plan(key: str, message: str) -> TaskFieldsError:
    return TaskFieldsError((FieldFault(("plan", key), message),))


def _check_algorithm(
    name: str, params: Mapping[str, float], cohort: int | float | None, optimizer: str | None
) -> None:
    """Refuse what the algorithm cannot do; `optimizer` is None where a package trains."""
    recipe = RECIPES[name]
    chosen = resolve_params(name, recipe.defaults, params)
    recipe.reducer(chosen, cohort if isinstance(cohort, int) else _ANY)
    if optimizer is None and recipe.objective(chosen).name != "plain":
        raise InputError(
            f"algorithm={name}: it corrects every gradient of its clients, and a package computes"
            " its gradients by itself; one of the others, such as FedAvg, FedAdam or FedMedian,"
            " would be right"
        )
    if optimizer not in (None, "sgd") and recipe.requires_sgd:
        raise InputError(f"algorithm={name}: it needs plain SGD; write optimizer: sgd in the plan")


def _check_version(asked: NewTask, version: Version) -> None:
    if version.kind is VersionKind.FOREIGN:
        raise InputError(
            f"{version} was not put in by Fedloom, so it cannot be trained: push a package with"
            " `fedloom package push`"
        )
    if "train" not in version.entry_points:
        known = ", ".join(version.entry_points) or "none"
        raise InputError(f"{version} has no entry point train; it has {known}")
    if version.use_case is not None and version.use_case != asked.use_case:
        raise InputError(
            f"use_case={asked.use_case!r}: {version} is for {version.use_case!r}; take that, or"
            " push the package without a use case"
        )


def _check_quorum(quorum: int | float | None, cohort: int | float | None) -> None:
    """Refuse what no round could reach; of shares, nobody knows yet what they are shares of."""
    if isinstance(quorum, int) and isinstance(cohort, int) and quorum > cohort:
        message = f"a round has {cohort} clients (cohort), so {quorum} updates never come"
        raise TaskFieldsError((FieldFault(("quorum",), message),))


def _list_faults(error: ValidationError) -> list[FieldFault]:
    return [
        FieldFault(tuple(found["loc"]), found["msg"].removeprefix("Value error, "))
        for found in error.errors(include_url=False, include_input=False, include_context=False)
    ]
