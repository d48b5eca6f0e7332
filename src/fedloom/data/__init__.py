"""Data sets, and who holds which of their rows.

`load_dataset` gives a `Dataset`, `partition_rows` gives a `Partition` of its training rows::

    dataset = load_dataset("digits")
    partition = partition_rows(
        dataset.train_labels, "dirichlet", 20, class_names=dataset.classes
    )
"""

from __future__ import annotations

from fedloom.data.dataset import Dataset, Task
from fedloom.data.distribution import Distribution, read_distribution
from fedloom.data.file_names import escape_file_name, unescape_file_name
from fedloom.data.labels import bin_labels, bin_names
from fedloom.data.load import dataset_names, load_dataset
from fedloom.data.partition import (
    STRATEGY_DEFAULTS,
    Partition,
    partition_rows,
    strategy_names,
)

__all__ = [
    "STRATEGY_DEFAULTS",
    "Dataset",
    "Distribution",
    "Partition",
    "Task",
    "bin_labels",
    "bin_names",
    "dataset_names",
    "escape_file_name",
    "load_dataset",
    "partition_rows",
    "read_distribution",
    "strategy_names",
    "unescape_file_name",
]
