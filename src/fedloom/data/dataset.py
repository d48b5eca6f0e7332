"""What every part of Fedloom calls a data set: named arrays with a train and a test part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dataset", "Task"]


class Task(StrEnum):
    """What is learnt: a class, or a number."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


@dataclass(frozen=True)
class Dataset:
    """Features and labels, in memory, with a train part that is split and a test part that is not.

    Attributes:
        name: the name it was asked for by, such as ``digits`` or ``csv:prices.csv``.
        task: what its labels mean.
        train_features: float32, shape (rows, *feature_shape); images are in 0…1.
        train_labels: for classification int32 indices into `classes`, else float32; shape (rows,).
        test_features: as `train_features`.
        test_labels: as `train_labels`.
        classes: the original labels as text, in the order of their indices; empty for regression.
    """

    name: str
    task: Task
    train_features: NDArray[np.float32]
    train_labels: NDArray[np.int32] | NDArray[np.float32]
    test_features: NDArray[np.float32]
    test_labels: NDArray[np.int32] | NDArray[np.float32]
    classes: tuple[str, ...] = ()

    @property
    def feature_shape(self) -> tuple[int, ...]:
        """Shape of one row: (8, 8, 1) for an image, (13,) for a table."""
        return tuple(self.train_features.shape[1:])

    @property
    def outputs(self) -> int:
        """Width of the model's last layer: a value per class, or one number."""
        return len(self.classes) if self.task is Task.CLASSIFICATION else 1
