"""What the fleet and a client's process say to each other over a pipe, pickled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.data.dataset import Dataset, Task
from fedloom.federation.fleet import Evaluation, LocalEvaluation
from fedloom.federation.objective import Objective
from fedloom.federation.weights import Weights
from fedloom.learning.local_training import LocalTraining

__all__ = ["Done", "Failed", "SharedData", "Train", "Welcome"]

_ARRAYS = ("train_features", "train_labels", "test_features", "test_labels")


@dataclass(frozen=True)
class SharedData:
    """A data set as files that every process maps into its memory.

    Attributes:
        folder: holds one npy file per array.
        name: of the data set.
        task: of the data set.
        classes: of the data set.
    """

    folder: Path
    name: str
    task: Task
    classes: tuple[str, ...]

    @classmethod
    def write(cls, dataset: Dataset, folder: Path) -> SharedData:
        """Write the arrays of a data set."""
        for name in _ARRAYS:
            np.save(folder / f"{name}.npy", getattr(dataset, name))
        return cls(folder, dataset.name, dataset.task, dataset.classes)

    def open(self) -> Dataset:
        """Map the arrays."""
        arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
        return Dataset(name=self.name, task=self.task, classes=self.classes, **arrays)


@dataclass(frozen=True)
class Welcome:
    """The first message to a process: which client it is and how it trains.

    Attributes:
        client: index of the client.
        rows: its rows of the training part.
        data: where the data set lies.
        training: how clients train.
        objective: what they minimise.
    """

    client: int
    rows: NDArray[np.int64]
    data: SharedData
    training: LocalTraining
    objective: Objective


@dataclass(frozen=True)
class Train:
    """Train for one round; fields as in `fedloom.federation.fleet.Order`."""

    round: int
    weights: Weights
    seed: int
    shared: Any
    client_state: Any
    local_evaluation: LocalEvaluation


@dataclass(frozen=True)
class Done:
    """The answer to `Train`.

    Attributes:
        weights: what it ended the round with.
        client_state: what the objective remembers of it from now on.
        drift: what the objective returns to the server.
        train_loss: as the other fields, see `fedloom.federation.fleet.ClientResult`.
        train_seconds: wall time.
        cpu_seconds: processor time.
        evaluate_seconds: wall time, where its weights were scored.
        scored: its weights on the test part, where they were scored.
    """

    weights: Weights
    client_state: Any
    drift: Any
    train_loss: float
    train_seconds: float
    cpu_seconds: float
    evaluate_seconds: float | None = None
    scored: Evaluation | None = None


@dataclass(frozen=True)
class Failed:
    """The answer to `Train` where training raised.

    Attributes:
        reason: kind and message of the exception, on one line.
    """

    reason: str
