"""One round of Fedloom's simulated fleet, built from a workload.

It is the loop that `fedloom.simulate` runs, with nothing scored. What is heavy (JAX, Keras) is
imported with this module, as PyTorch is with its engines: the first round then counts what is
built, compiled and started, and not imports.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.algorithm import build_algorithm
from fedloom.federation.fleet import Evaluation, LocalEvaluation
from fedloom.federation.loop import LoopSettings, begin, run_rounds
from fedloom.learning import LocalTraining, build_trainer, use_backend
from harness.assignment import Assignment
from harness.reference import Weights
from harness.rows import ClientRows
from harness.stopwatch import RoundEngine
from harness.workloads import ModelName, Workload

__all__ = ["build_round"]

use_backend("jax")  # before anything imports Keras
from fedloom.fleet.simulated import SimulatedFleet, open_lanes  # noqa: E402
from fedloom.learning import models as _models  # noqa: E402, F401

_HIDDEN = {ModelName.MLP: (200, 200), ModelName.CNN: (512,), ModelName.LOGISTIC: None}
_SCORED_ROWS = 64


def build_round(assignment: Assignment, rows: ClientRows, initial: Weights) -> RoundEngine:
    """Return what runs rounds of the workload.

    Args:
        assignment: the workload, the cores, the device.
        rows: features (clients, rows, 784 or 64) in 0…1 and labels (clients, rows).
        initial: weights in Keras's order and layout to start from (see `harness.reference`).
    """
    return _FedloomRound(assignment, rows, initial)


class _UnscoredFleet(SimulatedFleet):
    """The simulated fleet; a round of the benchmarks does not evaluate."""

    def evaluate(self, weights: Weights) -> Evaluation:
        del weights
        return Evaluation(0.0, 0.0)


class _FedloomRound:
    """FedAvg over the loop, one round at a time."""

    def __init__(self, assignment: Assignment, rows: ClientRows, initial: Weights) -> None:
        workload = assignment.workload
        algorithm = build_algorithm("FedAvg", clients=workload.clients, cohort=workload.clients)
        layout = open_lanes(assignment.cores if assignment.device == "cpu" else None)
        dataset = _make_dataset(workload, rows)
        trainer = build_trainer(
            _describe_training(workload), dataset, algorithm.objective, fast_loops=layout.on_cpu
        )
        names = [f"client_{number + 1}" for number in range(workload.clients)]
        self._fleet = _UnscoredFleet(trainer, names, _index_rows(workload), layout)
        self._weights = initial
        settings = LoopSettings(
            rounds=assignment.total_rounds,
            cohort=workload.clients,
            epochs=1,
            seed=0,
            trainable_indices=trainer.trainable_indices,
            local_evaluation=LocalEvaluation.NONE,
        )
        self._rounds = run_rounds(
            begin(algorithm, initial, trainer.trainable_indices),
            algorithm=algorithm,
            fleet=self._fleet,
            settings=settings,
            clock=time.perf_counter,
        )

    def run_round(self, cohort: Sequence[int]) -> None:
        """Run the next round of the loop; it chooses all clients, as `cohort` does."""
        outcome = next(self._rounds)
        if list(outcome.participants) != list(cohort):
            missing = len(cohort) - len(outcome.participants)
            raise SystemExit(f"{missing} of {len(cohort)} clients are not in the aggregate")
        self._weights = outcome.state.weights

    def weights(self) -> Weights:
        """Return the global weights."""
        return [np.asarray(array) for array in self._weights]

    def close(self) -> None:
        """End the lanes' threads."""
        self._fleet.close()


def _describe_training(workload: Workload) -> LocalTraining:
    return LocalTraining(
        model=workload.model.value,
        hidden=_HIDDEN[workload.model],
        seed=0,
        epochs=1,
        batch_size=workload.batch_size,
        optimizer="sgd",
        learning_rate=workload.learning_rate,
    )


def _make_dataset(workload: Workload, rows: ClientRows) -> Dataset:
    shape = (64,) if workload.model is ModelName.LOGISTIC else (28, 28, 1)
    features = rows.features.reshape(-1, *shape)
    labels = rows.labels.reshape(-1).astype(np.int32)
    return Dataset(
        name=workload.name,
        task=Task.CLASSIFICATION,
        train_features=features,
        train_labels=labels,
        test_features=features[:_SCORED_ROWS],
        test_labels=labels[:_SCORED_ROWS],
        classes=tuple("0123456789"),
    )


def _index_rows(workload: Workload) -> Sequence[Any]:
    count = workload.clients * workload.rows_per_client
    return np.split(np.arange(count), workload.clients)
