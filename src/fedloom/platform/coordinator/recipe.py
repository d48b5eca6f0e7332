"""What the loop needs of a task, whatever brings data and model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import nan
from pathlib import Path
from typing import Any

from fedloom.federation.algorithm import Algorithm, build_algorithm
from fedloom.federation.fleet import Evaluation, LocalEvaluation
from fedloom.federation.select import resolve_cohort
from fedloom.federation.weights import Weights
from fedloom.platform.task import Task

__all__ = ["Recipe", "Terms", "digest_task", "no_score", "shape_of_algorithm"]

_MANY = 1_000_000


@dataclass(frozen=True)
class Terms:
    """How the clients of a task learn together; a plan says it, or the task's own settings.

    Attributes:
        algorithm: its name.
        params: those of its numbers that differ from the defaults.
        cohort: clients of a round: a number, a share, or None for all.
        seed: determines every random choice.
        rounds: how many.
    """

    algorithm: str
    params: Mapping[str, float | int]
    cohort: int | float | None
    seed: int
    rounds: int

    def count(self, clients: int) -> int:
        """Return how many of the clients that are there a round has."""
        if isinstance(self.cohort, int):
            return min(self.cohort, clients)
        return resolve_cohort(self.cohort, clients)

    def build(self, clients: int) -> Algorithm:
        """Return the algorithm for so many clients.

        Raises:
            InputError: there are too few for it, or a number is out of its range.
        """
        cohort = self.count(clients)
        return build_algorithm(self.algorithm, clients=clients, cohort=cohort, params=self.params)


@dataclass(frozen=True)
class Recipe:
    """What the loop needs of a task.

    Attributes:
        terms: how its clients learn together.
        settings: what every client is told.
        weights: what the first round starts from.
        trainable_indices: positions of the arrays that the server optimizer steps.
        memory: what the algorithm remembers of a client that was never seen; empty for nothing.
        columns: of the records, the same in all rows.
        archive: of the package that the clients fetch, if any.
        scorer: scores weights in this process; None lets the clients do it.
        local_evaluation: how the clients score their own weights.
        news: what its owner should know before it begins.
    """

    terms: Terms
    settings: Mapping[str, Any]
    weights: Weights
    trainable_indices: Sequence[int]
    columns: Mapping[str, Any]
    memory: Weights = field(default_factory=list)
    archive: Path | None = None
    scorer: Callable[[Weights], Evaluation] | None = None
    local_evaluation: LocalEvaluation = LocalEvaluation.NONE
    news: Sequence[str] = ()

    @property
    def has_package(self) -> bool:
        """Whether the clients run a package, and not a model of ours."""
        return self.archive is not None


def no_score(_: Weights) -> Evaluation:
    """Score nothing, where a task asks for no validation."""
    return Evaluation(nan, nan)


def shape_of_algorithm(terms: Terms) -> Algorithm:
    """Return the algorithm as it is whatever the number of clients: name, objective, privacy.

    Raises:
        InputError: there is no such algorithm, or a number is out of its range.
    """
    cohort = terms.cohort if isinstance(terms.cohort, int) else _MANY
    return build_algorithm(terms.algorithm, clients=_MANY, cohort=cohort, params=terms.params)


def digest_task(task: Task, content: Mapping[str, Any]) -> str:
    """Return the run's id of a task: equal for tasks that ask for the same, 16 hex digits."""
    left_out = {"deadline", "priority"}
    asked = {k: v for k, v in task.given().items() if k not in left_out}
    names = ("use_case", "model_name", "model_version", "num_global_iterations")
    whole = {**content, "task": {name: getattr(task, name) for name in names}, "settings": asked}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"), default=str)
    return blake2b(text.encode(), digest_size=8).hexdigest()
