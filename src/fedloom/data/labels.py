"""Labels: what they mean, the order of the classes, and bins for those that are numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedloom.data.dataset import Task
from fedloom.data.raw import AnyArray
from fedloom.errors import DataError

__all__ = ["MAX_FLOAT_CLASSES", "bin_labels", "bin_names", "encode_classes", "infer_task"]

MAX_FLOAT_CLASSES = 20
"""Floating-point labels with more distinct values than this are numbers, not classes."""


def infer_task(name: str, labels: AnyArray) -> Task:
    """Return what `labels` mean: classes, or numbers to be predicted.

    Text, truth values and whole numbers are classes. Floating-point labels are classes only if
    they are all whole and have at most `MAX_FLOAT_CLASSES` distinct values.

    Raises:
        DataError: whole numbers with so many distinct values that they may well be quantities.
    """
    if labels.dtype.kind not in "iuf":
        return Task.CLASSIFICATION
    distinct = np.unique(labels)
    if labels.dtype.kind == "f":
        few = len(distinct) <= MAX_FLOAT_CLASSES
        return Task.CLASSIFICATION if few and _are_whole(distinct) else Task.REGRESSION
    if len(distinct) > max(MAX_FLOAT_CLASSES, len(labels) // 2):
        raise DataError(
            f"{name} has {len(distinct)} distinct whole numbers as labels of {len(labels)} rows: "
            f"say what they are with --task classification or --task regression"
        )
    return Task.CLASSIFICATION


def encode_classes(labels: AnyArray) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    """Return each label's class index, and the classes as text in natural order.

    Numbers (also those written as text) are in numeric order; other text is sorted so that runs
    of digits count as numbers.

    Example:
        >>> indices, classes = encode_classes(np.array(["b10", "b9", "b10"]))
        >>> indices.tolist(), classes
        ([1, 0, 1], ('b9', 'b10'))
    """
    distinct, codes = np.unique(labels, return_inverse=True)
    texts = [_to_text(value) for value in distinct.tolist()]
    order = sorted(range(len(texts)), key=_natural_key(texts))
    rank = np.empty(len(texts), np.int32)
    rank[order] = np.arange(len(texts), dtype=np.int32)
    return rank[codes.reshape(-1)], tuple(texts[index] for index in order)


def bin_labels(values: ArrayLike, bins: int = 10) -> NDArray[np.int64]:
    """Sort numbers into quantile bins, so that strategies made for classes can split them.

    Args:
        values: the numbers, shape (rows,).
        bins: how many; without ties each holds the same number of rows, give or take one.

    Returns:
        The bin 0…bins-1 of each row, shape (rows,); equal numbers share a bin, so some bins may
        be empty. `bin_names` names them.

    Example:
        >>> bin_labels([5.0, 1.0, 9.0, 2.0], bins=2).tolist()
        [1, 0, 1, 0]
    """
    numbers = np.asarray(values, np.float64).reshape(-1)
    if bins < 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise DataError(f"cannot sort {len(numbers)} labels into {bins} bins: all must be finite")
    edges = np.quantile(numbers, np.arange(1, bins) / bins)
    return np.searchsorted(edges, numbers, side="left").astype(np.int64)


def bin_names(bins: int = 10) -> tuple[str, ...]:
    """Return the names of the bins of `bin_labels`: ``bin_0``, ``bin_1`` and so on."""
    return tuple(f"bin_{index}" for index in range(bins))


def _are_whole(values: AnyArray) -> bool:
    return bool(np.all(values == np.floor(values)))


def _to_text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _natural_key(texts: list[str]) -> Any:
    """Return the sort key of an index into `texts`."""
    numbers = _as_numbers(texts)
    if numbers is not None:
        return lambda index: (numbers[index], texts[index])
    return lambda index: (_split_digits(texts[index]), texts[index])


def _as_numbers(texts: Iterable[str]) -> list[float] | None:
    try:
        numbers = [float(text) for text in texts]
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def _split_digits(text: str) -> list[tuple[int, int, str]]:
    """Split "b10" into parts that compare as text, number, text and so on."""
    parts = re.split(r"([0-9]+)", text)
    return [(1, int(p), "") if i % 2 else (0, 0, p.casefold()) for i, p in enumerate(parts)]
