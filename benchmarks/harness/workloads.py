"""The workloads: what a round is made of. Standard library only, every engine imports it.

A round is shuffling, training, reduction and server step: all clients train one epoch of plain SGD
on their own rows, and the new weights are the mean of theirs. Nothing is evaluated within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["CHECK_ROUND", "WORKLOADS", "ModelName", "Workload", "find_workload"]

CHECK_ROUND = 3
"""After this round the weights are scored, the same for every engine; none runs fewer rounds."""


class ModelName(StrEnum):
    """The models; `harness.reference` defines them in NumPy."""

    MLP = "mlp"
    CNN = "cnn"
    LOGISTIC = "logistic"


@dataclass(frozen=True)
class Workload:
    """One row of the study.

    Attributes:
        name: what `--workload` takes.
        title: one line for a reader.
        model: what each client trains.
        clients: how many there are; all of them train in every round.
        rows_per_client: training rows of each.
        rounds: timed rounds per repeat.
        quick_rounds: the same with ``--quick``.
        warm: rounds before the timed ones, the first with compilation and start among them.
        optional: run only when named.
        batch_size: rows per step; the last batch of a client holds what is left.
        learning_rate: of the clients' plain SGD.
    """

    name: str
    title: str
    model: ModelName
    clients: int
    rows_per_client: int
    rounds: int
    quick_rounds: int
    warm: int = 2
    optional: bool = False
    batch_size: int = 32
    learning_rate: float = 0.1

    @property
    def batches(self) -> int:
        """Steps of SGD in a round, over all clients."""
        return self.clients * -(-self.rows_per_client // self.batch_size)


_MLP = "MLP 784-200-200-10, {} clients of 600 rows"
_CNN = "CNN, two 5×5 convolutions (32 and 64), dense 512, {} clients of 600 rows"
_SMALL = "logistic 64-10, {} clients of 40 rows"

WORKLOADS = (
    Workload("mlp-10", _MLP.format(10), ModelName.MLP, 10, 600, rounds=20, quick_rounds=5),
    Workload("mlp-100", _MLP.format(100), ModelName.MLP, 100, 600, rounds=6, quick_rounds=2),
    Workload("cnn-10", _CNN.format(10), ModelName.CNN, 10, 600, rounds=3, quick_rounds=2, warm=1),
    Workload("cnn-100", _CNN.format(100), ModelName.CNN, 100, 600, 2, 2, warm=1, optional=True),
    Workload("small-10", _SMALL.format(10), ModelName.LOGISTIC, 10, 40, 50, 10),
    Workload("small-1000", _SMALL.format("1,000"), ModelName.LOGISTIC, 1000, 40, 10, 3),
    Workload("small-10000", _SMALL.format("10,000"), ModelName.LOGISTIC, 10000, 40, 3, 2, warm=1),
)


def find_workload(name: str) -> Workload:
    """Return the workload called `name`."""
    for workload in WORKLOADS:
        if workload.name == name:
            return workload
    raise SystemExit(f"unknown workload {name!r}: known are {', '.join(w.name for w in WORKLOADS)}")
