"""The process that measures baselines: an order on standard input, answers as lines of JSON.

Each line is written as soon as it is known, so that whoever stops the process keeps the others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from fedloom.bench.cell.parent import end_with_parent
from fedloom.data import Dataset, Task
from fedloom.errors import FedloomError
from fedloom.experiment import ALGORITHM_PARAMETERS, Plan, make_plan, simulate
from fedloom.experiment.split import load_plan_dataset

__all__ = ["constant_guess", "main", "train_alone", "train_centrally"]

_OF_THE_FEDERATION = (
    "algorithm",
    "cohort",
    "dropout",
    "devices",
    "fleet",
    "workers",
    "output",
    "output_dir",
    *ALGORITHM_PARAMETERS,
)
"""Fields of a plan that mean nothing where nobody federates."""

_OF_THE_SPLIT = ("partition", "partition_param", "distribution", "min_samples", "allow_shortfall")


def constant_guess(dataset: Dataset) -> dict[str, Any]:
    """Return the score of always giving the answer that the training labels suggest.

    The most frequent class (of equals the first); for a regression the mean, whose R² is 0 or a
    little less.

    Args:
        dataset: with labels in both parts.
    """
    labels = dataset.test_labels
    if dataset.task is Task.CLASSIFICATION:
        largest = int(np.bincount(dataset.train_labels.astype(np.int64)).argmax())
        return {"score": float((labels == largest).mean()), "guess": dataset.classes[largest]}
    guess = float(dataset.train_labels.mean(dtype=np.float64))
    numbers = labels.astype(np.float64)
    squares = float(((numbers - guess) ** 2).mean())
    variance = float(numbers.var())
    return {"score": 1.0 - squares / variance if variance > 0 else 0.0, "guess": guess}


def train_centrally(plan: Plan, epochs: int) -> dict[str, Any]:
    """Return score and loss of one model that is trained on all training rows.

    Args:
        plan: of the cells.
        epochs: passes over the rows.

    Raises:
        FedloomError: it diverged, or something about the plan is wrong.
    """
    asked = {k: v for k, v in _stripped(plan).items() if k not in _OF_THE_SPLIT}
    # One client with all rows, in one round: its optimizer goes on from epoch to epoch.
    run = simulate(plan=make_plan({**asked, "clients": 1, "rounds": 1, "epochs": epochs}))
    score, loss = run.rounds.select("global_score", "global_loss").row(0)
    return {"score": score, "loss": loss}


def train_alone(plan: Plan, epochs: int) -> dict[str, Any]:
    """Return the scores of the clients' own models, each trained on its shard alone.

    Args:
        plan: of the cells; the shards are those that their clients hold.
        epochs: passes over the rows.

    Raises:
        FedloomError: all of them diverged, or something about the plan is wrong.
    """
    asked = {**_stripped(plan), "rounds": 1, "epochs": epochs, "local_evaluation": "full"}
    run = simulate(plan=make_plan(asked))
    scores = [score for score in run.clients["local_score"] if score is not None]
    return {
        "score": sum(scores) / len(scores) if scores else None,
        "lowest": min(scores, default=None),
        "highest": max(scores, default=None),
        "diverged": run.clients.height - len(scores),
        "scores": scores,
    }


def _stripped(plan: Plan) -> dict[str, Any]:
    kept = {k: v for k, v in plan.content.items() if k not in _OF_THE_FEDERATION}
    return {**kept, "weights": "none"}


def main() -> None:
    """Read an order, and print what is found, a line each."""
    order = json.loads(sys.stdin.buffer.readline())
    end_with_parent()
    plan = make_plan(order["plan"])
    try:
        dataset = load_plan_dataset(plan)
    except FedloomError as error:
        _print({"left_out": str(error)})
        return
    _print({"task": str(dataset.task), "constant": constant_guess(dataset)})
    _try("central", lambda: train_centrally(plan, order["epochs"]))
    _try("alone", lambda: train_alone(plan, order["epochs"]))


def _try(name: str, measure: Callable[[], dict[str, Any]]) -> None:
    try:
        _print({name: measure()})
    except FedloomError as error:
        _print({"left_out": f"{name}: {error}"})


def _print(found: dict[str, Any]) -> None:
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
