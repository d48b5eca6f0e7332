"""The rows that weights are scored on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fedloom.data.dataset import Dataset
from fedloom.federation.fleet import LocalEvaluation
from fedloom.randomness import derive_generator

__all__ = ["SAMPLE_ROWS", "ScoredRows", "arrange_test_rows", "count_scored_rows"]

SAMPLE_ROWS = 512
"""Rows of the test part that `LocalEvaluation.SAMPLE` scores."""


class ScoredRows(NamedTuple):
    """The test part in a fixed random order, filled up with zeros to whole batches."""

    features: np.ndarray[Any, np.dtype[np.float32]]
    labels: np.ndarray[Any, Any]
    row_count: int


def arrange_test_rows(dataset: Dataset, batch_size: int) -> ScoredRows:
    """Shuffle the test part once, so that its first rows are a sample of all.

    The order depends on the number of rows alone: runs with different seeds are scored on the same
    sample.
    """
    count = len(dataset.test_labels)
    order = derive_generator(0, "test rows", count).permutation(count)
    fill = -count % batch_size
    features = dataset.test_features[order]
    padding = [(0, fill)] + [(0, 0)] * (features.ndim - 1)
    labels = np.pad(dataset.test_labels[order], (0, fill))
    return ScoredRows(np.pad(features, padding), labels, count)


def count_scored_rows(evaluation: LocalEvaluation, count: int) -> int:
    """Return how many of `count` test rows a client's own weights are scored on."""
    if evaluation is LocalEvaluation.NONE:
        return 0
    return min(SAMPLE_ROWS, count) if evaluation is LocalEvaluation.SAMPLE else count
