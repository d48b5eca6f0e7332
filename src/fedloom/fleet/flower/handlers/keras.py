"""A node that trains a Keras model of ours on its own data; data and compiled step stay warm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from fedloom.errors import InputError
from fedloom.federation.algorithm import Algorithm, build_objective
from fedloom.federation.fleet import Failure, LocalEvaluation
from fedloom.fleet.flower.messages import (
    Answer,
    Describe,
    Description,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Forget,
    Request,
    Train,
    Trained,
)
from fedloom.learning.backend import check_backend
from fedloom.learning.local_training import LocalTraining
from fedloom.learning.model_names import MODEL_NAMES

if TYPE_CHECKING:
    from fedloom.data.dataset import Dataset
    from fedloom.fleet.local_client import LocalClient

__all__ = ["KerasHandler", "keras_settings"]

_TRAINER = "keras"


def keras_settings(training: LocalTraining, algorithm: Algorithm, use_case: str) -> dict[str, Any]:
    """Return what the nodes of a task are told.

    Args:
        training: how every client trains.
        algorithm: whose objective they minimise.
        use_case: names the data that a node must have.
    """
    return {
        "trainer": _TRAINER,
        "use_case": use_case,
        "training": asdict(training),
        "algorithm": {"name": algorithm.name, "params": dict(algorithm.params)},
    }


class KerasHandler:
    """Trains and scores; see `Handler`.

    Args:
        name: of the node.
        datasets: by use case; all training rows are this node's.
    """

    def __init__(self, name: str, datasets: Mapping[str, Dataset]) -> None:
        self._name, self._datasets = name, dict(datasets)
        self._clients: dict[str, LocalClient] = {}
        self._lock = Lock()

    def handle(self, request: Request, stop: Event) -> Answer:
        """Carry out one request."""
        if isinstance(request, Describe):
            return self._describe(request.settings)
        if isinstance(request, Train):
            return self._train(request, stop)
        if isinstance(request, Evaluate):
            return self._evaluate(request)
        if isinstance(request, Forget):
            with self._lock:
                self._clients.pop(request.task, None)
        return Done()

    def close(self) -> None:
        """Drop all models."""
        self._clients.clear()

    def _describe(self, settings: Mapping[str, Any]) -> Description:
        try:
            dataset = self._find(settings)
            training, _, _ = _read(settings)
            check_backend(training.backend)
        except InputError as error:
            return Description(self._name, takes_part=False, reason=str(error))
        attributes = {"dataset": dataset.name, "task": str(dataset.task)}
        rows = len(dataset.train_labels)
        return Description(self._name, num_examples=rows, attributes=attributes)

    def _train(self, request: Train, stop: Event) -> Answer:
        # Not at the top: it brings Keras and JAX, and a node without a task should be small.
        from fedloom.fleet.local_client import Stopped
        from fedloom.fleet.process import messages as local

        client, rows = self._open(request), len(self._find(request.settings).train_labels)
        order = local.Train(
            round=request.round,
            weights=request.weights,
            seed=request.seed,
            shared=request.shared,
            client_state=request.client_state,
            local_evaluation=LocalEvaluation(request.local_evaluation),
        )
        try:
            done = client.train(order, request.client, stop.is_set)
        except Stopped:
            return Failed(Failure.TIMEOUT, "it was cancelled")
        return Trained(
            weights=done.weights,
            num_examples=rows,
            client_state=done.client_state,
            drift=done.drift,
            train_loss=done.train_loss,
            local_loss=None if done.scored is None else done.scored.loss,
            local_score=None if done.scored is None else done.scored.score,
            train_seconds=done.train_seconds,
            evaluate_seconds=done.evaluate_seconds,
            cpu_seconds=done.cpu_seconds,
        )

    def _evaluate(self, request: Evaluate) -> Answer:
        scored = self._open(request).score(request.weights, LocalEvaluation.FULL)
        if scored is None:
            return Failed(Failure.ERROR, f"{self._name} has no test rows")
        rows = len(self._find(request.settings).test_labels)
        return Evaluated(rows, {"loss": scored.loss, "score": scored.score})

    def _open(self, request: Train | Evaluate) -> LocalClient:
        """Return the client of a task, with all that it has compiled."""
        from fedloom.fleet.local_client import LocalClient

        with self._lock:
            if request.task not in self._clients:
                dataset = self._find(request.settings)
                training, name, params = _read(request.settings)
                rows = np.arange(len(dataset.train_labels))
                objective = build_objective(name, params=params)
                self._clients[request.task] = LocalClient(
                    dataset, rows, training, objective, fast_loops=True
                )
            return self._clients[request.task]

    def _find(self, settings: Mapping[str, Any]) -> Dataset:
        use_case = str(settings.get("use_case"))
        if use_case not in self._datasets:
            known = ", ".join(self._datasets) or "none"
            raise InputError(f"use_case={use_case}: {self._name} has data for {known}")
        return self._datasets[use_case]


def _read(settings: Mapping[str, Any]) -> tuple[LocalTraining, str, Mapping[str, Any]]:
    """Return how to train, and the algorithm with its parameters.

    A model is one of ours: a path would be code on this machine that a stranger points at.
    """
    try:
        said = dict(settings["training"])
        hidden = said.pop("hidden")
        training = LocalTraining(**said, hidden=None if hidden is None else tuple(hidden))
        algorithm = settings["algorithm"]
        name, params = str(algorithm["name"]), dict(algorithm["params"])
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"settings of the task that make no sense: {error}") from error
    if training.model not in MODEL_NAMES:
        known = ", ".join(MODEL_NAMES)
        raise InputError(f"model={training.model}: nodes train {known}, or packages")
    return training, name, params
