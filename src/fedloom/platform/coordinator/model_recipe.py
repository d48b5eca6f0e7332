"""From a task that trains one of our own models, by its plan, to what the loop needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from fedloom.errors import InputError
from fedloom.experiment.plan import Plan, make_plan
from fedloom.federation.fleet import Evaluation
from fedloom.federation.weights import Weights, find_fault
from fedloom.fleet.flower.handlers import keras_settings
from fedloom.learning.model_names import MODEL_NAMES
from fedloom.platform.coordinator.recipe import (
    Recipe,
    Terms,
    digest_task,
    no_score,
    shape_of_algorithm,
)
from fedloom.platform.registry import Registry, get_version, load_weights
from fedloom.platform.registry.names import TRAINED
from fedloom.platform.task import Task

__all__ = ["make_model_recipe"]


def make_model_recipe(task: Task, registry: Registry) -> Recipe:
    """Build a task's model by its plan; data of the plan score it here, the nodes' train it.

    Raises:
        InputError: the plan cannot be carried out by nodes, or its data are not here.
        LinkError: the registry cannot be reached.
    """
    assert task.plan is not None
    plan = make_plan(task.plan)
    _refuse_strange(plan)
    terms = Terms(
        plan.algorithm,
        plan.algorithm_settings,
        plan.cohort,
        plan.seed,
        task.num_global_iterations,
    )
    algorithm = shape_of_algorithm(terms)
    if algorithm.requires_sgd and plan.optimizer != "sgd":
        raise InputError(
            f"optimizer={plan.optimizer}: {algorithm.name} is right for plain SGD only; use sgd"
        )
    trainer = _build_trainer(plan, algorithm)
    built = [np.asarray(array) for array in trainer.initial_weights]
    indices = list(trainer.trainable_indices)
    columns = {
        "run_id": digest_task(task, plan.identity),
        "dataset": plan.dataset_name,
        "task": str(trainer.dataset.task),
        "model": plan.model_name,
        "algorithm": algorithm.name,
        "backend": plan.backend,
        "partition": "",
        "partition_param": None,
    }
    return Recipe(
        terms=terms,
        settings=keras_settings(plan.local_training, algorithm, task.use_case),
        weights=_find_first(task, registry, built),
        trainable_indices=indices,
        memory=list(algorithm.objective.init_client([built[i] for i in indices])),
        columns=columns,
        scorer=_make_scorer(trainer) if task.validates else no_score,
        local_evaluation=plan.local_evaluation,
        news=_list_news(plan),
    )


def _refuse_strange(plan: Plan) -> None:
    if plan.model not in MODEL_NAMES:
        known = ", ".join(MODEL_NAMES)
        raise InputError(f"model={plan.model_name}: nodes train {known}, or packages")
    if ":" in plan.dataset or plan.data_dir is not None:
        raise InputError(
            f"dataset={plan.dataset_name}: a coordinator opens no files that a task names; name"
            " one of the data sets in the box"
        )


def _build_trainer(plan: Plan, algorithm: Any) -> Any:
    """Return the trainer on the plan's own data, which say what shape the model has.

    Weights and scores do not depend on the backend that nodes train with, and a process has one.
    """
    from fedloom.experiment.split import load_plan_dataset
    from fedloom.learning import build_step_trainer

    dataset = load_plan_dataset(plan)
    training = replace(plan.local_training, backend="jax")
    return build_step_trainer(training, dataset, algorithm.objective)


def _make_scorer(trainer: Any) -> Callable[[Weights], Evaluation] | None:
    """Return what scores weights on the plan's test part, if it has one."""
    from fedloom.fleet.process.scorer import Scorer

    scorer, rows = Scorer(trainer), len(trainer.dataset.test_labels)
    return (lambda weights: scorer.score(weights, rows)) if rows else None


def _find_first(task: Task, registry: Registry, built: Weights) -> Weights:
    """Return what the task starts from: a version that an earlier task made, or new weights.

    Raises:
        InputError: that version is gone, or of another model.
    """
    if not task.model_name.startswith(TRAINED):
        return built
    version = get_version(registry, task.model_name, task.model_version)
    weights = load_weights(registry, version)
    if fault := find_fault(weights, built):
        raise InputError(f"{version} is not the plan's model: {fault}")
    return weights


def _list_news(plan: Plan) -> list[str]:
    simulated = ("dropout", "devices", "clients", "partition", "sample_size", "sample_frac")
    ignored = [name for name in simulated if name in plan.model_fields_set]
    if not ignored:
        return []
    return [f"{', '.join(ignored)} of the plan: nodes have their own data and devices; left out"]
