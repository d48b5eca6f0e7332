"""Trainers small enough to compute by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.objective import Objective, plain
from fedloom.learning import LocalTraining
from fedloom.learning.trainer import KerasTrainer

ROWS = np.array([[1.0, 2.0], [-1.0, 0.5], [3.0, -2.0], [0.5, 0.25]], np.float32)
CLASSES = np.array([0, 2, 1, 2], np.int32)
VALUES = np.array([1.0, -2.0, 0.5, 3.0], np.float32)


def make_trainer(
    layers: list[Any],
    task: Task = Task.CLASSIFICATION,
    *,
    features: np.ndarray = ROWS,
    labels: np.ndarray | None = None,
    optimizer: str = "sgd",
    learning_rate: float = 0.1,
    objective: Objective | None = None,
    batch_size: int = 4,
    fast_loops: bool = True,
) -> KerasTrainer:
    """Return a trainer whose train and test part are the same rows."""
    if labels is None:
        labels = CLASSES if task is Task.CLASSIFICATION else VALUES
    classes = ("a", "b", "c") if task is Task.CLASSIFICATION else ()
    dataset = Dataset("hand", task, features, labels, features, labels, classes)
    model = keras.Sequential([keras.Input(features.shape[1:]), *layers])
    training = LocalTraining("hand", None, 0, 1, batch_size, optimizer, learning_rate)
    return KerasTrainer(model, dataset, training, objective or plain(), fast_loops=fast_loops)


def take_steps(
    trainer: KerasTrainer,
    weights: list[np.ndarray],
    *,
    count: int = 4,
    steps: int = 1,
    key: tuple[int, int] = (0, 0),
    rows: np.ndarray | None = None,
) -> tuple[list[np.ndarray], list[float]]:
    """Take steps on the same batch; return the weights and each step's loss."""
    state = trainer.begin(weights, np.array(key, np.uint32))
    anchor = [weights[i] for i in trainer.trainable_indices]
    batch = trainer.dataset.train_features if rows is None else rows
    losses = []
    for _ in range(steps):
        state, loss = trainer.step(
            state, anchor, (), (), batch, trainer.dataset.train_labels, count
        )
        losses.append(float(loss))
    return [np.asarray(w) for w in trainer.finish(state)], losses
