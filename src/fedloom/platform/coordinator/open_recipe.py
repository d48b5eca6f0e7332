"""From a task to what the loop needs of it."""

from __future__ import annotations

from fedloom.platform.coordinator.recipe import Recipe
from fedloom.platform.registry import Registry
from fedloom.platform.task import Task

__all__ = ["open_recipe", "trains_package"]


def trains_package(task: Task) -> bool:
    """Say whether a task trains a package; else its plan names one of our own models."""
    return task.plan is None or task.plan.get("package") is not None


def open_recipe(task: Task, registry: Registry) -> Recipe:
    """Return what the loop needs of a task; takes seconds where a framework is imported.

    Raises:
        InputError: something that the task names does not exist, or does not fit.
        LinkError: the registry cannot be reached.
    """
    if trains_package(task):
        from fedloom.platform.coordinator.package_recipe import make_package_recipe

        return make_package_recipe(task, registry)
    from fedloom.platform.coordinator.model_recipe import make_model_recipe

    return make_model_recipe(task, registry)
