"""From a plan to a data set and the rows of each client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from numpy.typing import NDArray

from fedloom.data import Dataset, Partition, Task, bin_labels, load_dataset, partition_rows
from fedloom.errors import InputError
from fedloom.experiment.options import SplitOptions
from fedloom.experiment.plan import Plan
from fedloom.experiment.reading import read_plan

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Split", "load_plan_dataset", "partition", "split_dataset"]

REGRESSION_BINS = 10
"""Quantile bins that stand for labels where the labels are numbers."""


@dataclass(frozen=True)
class Split:
    """A data set and who holds which of its training rows.

    Attributes:
        dataset: the data set, after down-sampling.
        partition: one index array per client.
        labels: what the split went by: class indices, or quantile bins of a regression.
        class_names: the labels as text, in the order of their indices.
    """

    dataset: Dataset
    partition: Partition
    labels: NDArray[Any]
    class_names: tuple[str, ...]

    @property
    def client_ids(self) -> tuple[str, ...]:
        """Names of the clients, in their order."""
        return self.partition.client_ids

    @property
    def rows(self) -> tuple[NDArray[np.int64], ...]:
        """One index array into the training part per client."""
        return self.partition.rows

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the split leaves out, in words; empty where every row is used."""
        return self.partition.left_out

    @property
    def label_counts(self) -> list[dict[str, int]]:
        """Rows of each label, for each client; zeros included."""
        return self.partition.label_counts(self.labels, self.class_names)

    def table(self) -> pl.DataFrame:
        """Return the split as a frame: a row per client, a column per label."""
        import polars as pl

        counts = self.label_counts
        sizes = [len(rows) for rows in self.rows]
        columns: dict[str, Any] = {"client_id": list(self.client_ids), "num_examples": sizes}
        columns |= {name: [c[name] for c in counts] for name in self.class_names}
        return pl.DataFrame(columns)


def load_plan_dataset(plan: Plan) -> Dataset:
    """Load a plan's data set.

    Raises:
        InputError: the plan is that of a package, whose data only it knows.
        DataError: the data set is missing, malformed or empty.
    """
    if plan.package is not None:
        raise InputError("package: its clients bring their own data, so there is nothing to split")
    return load_dataset(
        plan.dataset,
        data_dir=plan.data_dir,
        task=plan.task,
        label_column=plan.label_column,
        image_size=plan.image_size,
        test_fraction=plan.test_fraction,
        sample_size=plan.sample_size,
        sample_frac=plan.sample_frac,
        seed=plan.seed,
    )


def split_dataset(plan: Plan) -> Split:
    """Load a plan's data set and split its training part.

    Raises:
        InputError: the plan is that of a package, whose data only it knows.
        DataError: the data set is missing, malformed or empty.
        PartitionError: it cannot be split as asked.
    """
    dataset = load_plan_dataset(plan)
    labels: NDArray[Any] = dataset.train_labels
    class_names = dataset.classes
    if dataset.task is Task.REGRESSION:
        labels = bin_labels(dataset.train_labels, REGRESSION_BINS)
        class_names = tuple(f"bin_{i}" for i in range(REGRESSION_BINS))
    parts = partition_rows(
        labels,
        plan.partition,
        plan.clients,
        param=plan.partition_param,
        seed=plan.seed,
        min_samples=plan.min_samples,
        distribution=plan.distribution,
        allow_shortfall=plan.allow_shortfall,
        class_names=class_names,
    )
    return Split(dataset, parts, labels, class_names)


def partition(**options: Unpack[SplitOptions]) -> Split:
    """Split a data set over clients without training anything.

    Args:
        options: the fields of `Plan` that concern data and partition: ``dataset``, ``clients``,
            ``partition``, ``partition_param``, ``distribution`` (a mapping, or a JSON file),
            ``min_samples``, ``sample_size``, ``seed``, … Those of a whole plan are taken too, and
            give the split which that plan trains on.

    Raises:
        InputError: an option is unknown or impossible, or the data cannot be split as asked.

    Example:
        >>> import fedloom
        >>> split = fedloom.partition(dataset="iris", clients=3, partition="shard")
        >>> split.client_ids
        ('client_1', 'client_2', 'client_3')
    """
    return split_dataset(read_plan(None, options))
