"""One matrix of small trainings that every backend carries out: `backend_cases.py BACKEND FILE`.

Keras has one backend per process, so each backend is a process of its own that writes what came out
as arrays: for each case the weights before and after, losses, and what the objective remembers.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.fleet import LocalEvaluation
from fedloom.federation.objective import Objective, plain, proximal, scaffold
from fedloom.learning import LocalTraining
from fedloom.learning.backend import limit_threads

ROWS = 13
RATES = {"sgd": 0.1, "momentum": 0.05, "adam": 0.01}

NOISY = """
import keras

def build_model(feature_shape, outputs):
    layers = keras.layers
    return keras.Sequential([
        keras.Input(feature_shape),
        layers.Conv2D(3, 3, strides=2, padding="same", use_bias=False,
                      kernel_initializer="he_normal"),
        layers.BatchNormalization(momentum=0.5),
        layers.Activation("tanh"),
        layers.SpatialDropout2D(0.3),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(6, activation="tanh", kernel_initializer="orthogonal"),
        layers.GaussianNoise(0.2),
        layers.Dropout(0.4),
        layers.Dense(outputs, activation="softmax", kernel_regularizer="l2",
                     bias_initializer="random_normal"),
    ])
"""
"""Batch statistics, three kinds of noise, a regulariser, probabilities and normal draws."""


@dataclass(frozen=True)
class Case:
    """One training."""

    model: str
    objective: str
    optimizer: str
    task: Task = Task.CLASSIFICATION

    @property
    def name(self) -> str:
        return "-".join((self.model, self.objective, self.optimizer, self.task))


_PAIRS = [("proximal", "adam"), ("scaffold", "sgd")]
CASES = [
    *(Case("mlp", o, s) for o, s in product(("plain", "proximal"), RATES)),
    Case("mlp", "scaffold", "sgd"),
    *(Case(m, o, s) for m in ("cnn", "noisy.py") for o, s in _PAIRS),
    Case("noisy.py", "plain", "momentum"),
    Case("logistic", "scaffold", "sgd"),
    Case("logistic", "plain", "momentum", Task.REGRESSION),
    Case("mlp", "proximal", "adam", Task.REGRESSION),
]


def make_dataset(task: Task) -> Dataset:
    """Return rows of 6×6 images; classes or values that depend on them."""
    generator = np.random.default_rng(7)
    features = generator.normal(size=(ROWS + 70, 6, 6, 1)).astype(np.float32)
    values = features.reshape(len(features), -1) @ generator.normal(size=(36, 3)) / 6
    labels = values.argmax(axis=1).astype(np.int32)
    if task is Task.REGRESSION:
        labels = values[:, 0].astype(np.float32)
    parts = features[:ROWS], labels[:ROWS], features[ROWS:], labels[ROWS:]
    classes = () if task is Task.REGRESSION else ("a", "b", "c")
    return Dataset("cases", task, *parts, classes=classes)


def carry_out(case: Case, backend: str, folder: Path) -> dict[str, Any]:
    """Train two rounds of two epochs in batches of 8; the last batch of each is filled up."""
    from fedloom.fleet.local_client import LocalClient
    from fedloom.fleet.process.messages import Train

    model = str(folder / case.model) if case.model.endswith(".py") else case.model
    rate = RATES[case.optimizer]
    training = LocalTraining(model, None, 3, 2, 8, case.optimizer, rate, backend)
    dataset, objective = make_dataset(case.task), _build_objective(case.objective)
    client = LocalClient(dataset, np.arange(ROWS), training, objective)
    start = client._trainer.initial_weights
    trained = [start[i] for i in client._trainer.trainable_indices]
    memory = objective.init_client(trained)
    shared = [w * 0 + 0.01 for w in objective.init_shared(trained)]
    found: dict[str, Any] = {f"start/{i}": w for i, w in enumerate(start)}
    weights = start
    for number in (1, 2):
        order = Train(number, weights, 11, shared, memory, LocalEvaluation.FULL)
        done = client.train(order, 4)
        weights, memory = done.weights, done.client_state
        found |= {f"round {number}/{i}": w for i, w in enumerate(weights)}
        found |= {f"memory {number}/{i}": w for i, w in enumerate(memory)}
        found |= {f"drift {number}/{i}": w for i, w in enumerate(done.drift)}
        found[f"loss {number}"] = done.train_loss
        assert done.scored is not None
        found[f"scored {number}"] = [done.scored.loss, done.scored.score]
    return found


def _build_objective(name: str) -> Objective:
    return {"plain": plain, "proximal": lambda: proximal(0.5), "scaffold": scaffold}[name]()


def main(backend: str, file: Path) -> None:
    """Carry out all cases and write them down."""
    os.environ.update(limit_threads(os.environ))
    (file.parent / "noisy.py").write_text(NOISY)
    found = {
        f"{case.name}/{key}": value
        for case in CASES
        for key, value in carry_out(case, backend, file.parent).items()
    }
    others = {"jax", "torch", "tensorflow"} - {backend}
    found["other frameworks"] = sorted(others & sys.modules.keys())
    np.savez(file, **found)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
