"""Which rows each client of a cell holds, fixed for the whole run by the plan alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedloom.data.dataset import Dataset
from fedloom.errors import InputError
from fedloom.experiment.split import Split
from fedloom.randomness import derive_generator

__all__ = ["deal_evaluation_rows", "name_client", "take_shard"]


def name_client(index: int) -> str:
    """Return what the client of an index, from 0, is called in a cell."""
    return f"client_{index + 1}"


def deal_evaluation_rows(rows: int, clients: int, seed: int) -> list[NDArray[np.int64]]:
    """Deal the held-out rows among the clients, so that each row is scored by exactly one.

    Shares differ by one row at most, whatever the split of the training rows: the mean of the
    clients' scores, weighted by rows, is the score on the whole held-out part.

    Args:
        rows: how many there are.
        clients: how many share them.
        seed: of the plan.

    Raises:
        InputError: there are fewer rows than clients.
    """
    if rows < clients:
        raise InputError(
            f"n_client_instances={clients}: the held-out part has {rows} rows, and every client "
            "scores at least one; take fewer clients or a larger test_fraction"
        )
    order = derive_generator(seed, "evaluation rows").permutation(rows)
    return [np.sort(part) for part in np.array_split(order, clients)]


def take_shard(split: Split, index: int, seed: int) -> Dataset:
    """Return what one client holds: its training rows, and its share of the held-out rows.

    Args:
        split: of the plan's data set.
        index: of the client, from 0.
        seed: of the plan.
    """
    whole, rows = split.dataset, split.rows[index]
    held_out: Sequence[NDArray[np.int64]] = deal_evaluation_rows(
        len(whole.test_labels), len(split.rows), seed
    )
    return Dataset(
        whole.name,
        whole.task,
        whole.train_features[rows],
        whole.train_labels[rows],
        whole.test_features[held_out[index]],
        whole.test_labels[held_out[index]],
        classes=whole.classes,
    )
