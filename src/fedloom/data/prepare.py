"""From a source's arrays to a data set: check, encode, split off a test part, sample, scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.data.dataset import Dataset, Task
from fedloom.data.labels import encode_classes, infer_task
from fedloom.data.raw import AnyArray, RawData
from fedloom.data.sample import Sampling, split_test
from fedloom.errors import DataError

__all__ = ["prepare"]

_NUMERIC = "biuf"
_TEXT = "SU"


def prepare(
    name: str,
    raw: RawData,
    *,
    task: Task | None,
    test_fraction: float,
    sampling: Sampling,
    classes: tuple[str, ...] | None = None,
) -> Dataset:
    """Make a data set of what a source handed over.

    Args:
        name: what the data set is called.
        raw: the source's arrays.
        task: what the labels mean; inferred from them if None.
        test_fraction: share of the rows that become the test part, if the source has none.
        sampling: which rows of the train part are kept.
        classes: all that there can be, in the order of their indices, where `raw` may hold only
            some of them; those that it holds if None.

    Raises:
        DataError: the arrays are empty, do not match, hold NaN, have a single class, or hold one
            that is not among `classes`.
    """
    raw = _check(name, raw)
    task = task or infer_task(name, raw.all_labels)
    labels, classes = _encode(name, raw.all_labels, task, classes)
    train_rows, test_rows = _split(name, raw, labels, task, test_fraction)
    features = raw.features
    if raw.is_table:
        scaling = _Scaling.standardise(features[train_rows])
    else:
        scaling = _Scaling(scale=np.float32(255) if features.dtype == np.uint8 else None)
    if task is Task.REGRESSION:
        target = _Scaling.standardise(labels[train_rows]) if raw.is_table else _Scaling()
        labels = target.apply(labels)
    kept = train_rows[sampling.choose(name, len(train_rows))]
    test = features[test_rows] if raw.test_features is None else raw.test_features
    return Dataset(
        name=name,
        task=task,
        train_features=_finite(name, scaling.apply(features[kept])),
        train_labels=labels[kept],
        test_features=_finite(name, scaling.apply(test)),
        test_labels=labels[test_rows],
        classes=classes,
    )


def _check(name: str, raw: RawData) -> RawData:
    """Return `raw` with labels in one dimension and features in two or more."""
    features, labels = _check_part(name, "train", raw.features, raw.labels)
    if raw.test_features is None or raw.test_labels is None:
        return RawData(features, labels, is_table=raw.is_table)
    test, test_labels = _check_part(name, "test", raw.test_features, raw.test_labels)
    if test.shape[1:] != features.shape[1:]:
        raise DataError(
            f"{name}: a row of the train part has shape {features.shape[1:]}, "
            f"but one of the test part {test.shape[1:]}"
        )
    if (test_labels.dtype.kind in _TEXT) != (labels.dtype.kind in _TEXT):
        raise DataError(f"{name}: one part's labels are text and the other's are numbers")
    return RawData(features, labels, test, test_labels, is_table=raw.is_table)


def _check_part(
    name: str, part: str, features: AnyArray, labels: AnyArray
) -> tuple[AnyArray, AnyArray]:
    if features.dtype.kind not in _NUMERIC:
        raise DataError(f"{name}: {part} features are of type {features.dtype}, not numbers")
    if labels.dtype.kind not in _NUMERIC + _TEXT:
        raise DataError(f"{name}: {part} labels are of type {labels.dtype}, not numbers or text")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or features.ndim == 0:
        raise DataError(
            f"{name}: {part} labels have shape {labels.shape}; one label per row is wanted"
        )
    if len(features) != len(labels):
        raise DataError(
            f"{name}: {len(features)} rows of {part} features, but {len(labels)} labels"
        )
    features = _shape_rows(features)
    if not features.size:
        raise DataError(f"{name}: the {part} part is empty (shape {features.shape})")
    _refuse_nan(name, f"{part} features", features)
    _refuse_nan(name, f"{part} labels", labels)
    return features, labels


def _shape_rows(features: AnyArray) -> AnyArray:
    """Give single numbers a column, and grey pixels a channel."""
    is_grey = features.ndim == 3 and features.dtype == np.uint8
    return features[..., np.newaxis] if features.ndim == 1 or is_grey else features


def _refuse_nan(name: str, what: str, values: AnyArray) -> None:
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise DataError(f"{name}: {what} hold NaN or infinity, first in row {row + 1}")
    if values.dtype.kind in _TEXT and (values == values.dtype.type()).any():
        row = int(np.argmax(values == values.dtype.type()))
        raise DataError(f"{name}: {what} hold an empty text, first in row {row + 1}")


def _encode(
    name: str, labels: AnyArray, task: Task, given: tuple[str, ...] | None
) -> tuple[AnyArray, tuple[str, ...]]:
    if task is Task.REGRESSION:
        if labels.dtype.kind in _TEXT:
            raise DataError(f"{name}: its labels are text, so the task cannot be regression")
        numbers = labels.astype(np.float64)
        if numbers.min() == numbers.max():
            raise DataError(f"{name}: every label is {numbers[0]:g}; there is nothing to learn")
        return numbers, ()
    indices, classes = encode_classes(labels)
    if given is not None:
        return _renumber(name, indices, classes, given), given
    if len(classes) < 2:
        raise DataError(f"{name}: every label is {classes[0]!r}; at least two classes are wanted")
    return indices, classes


def _renumber(
    name: str, indices: NDArray[np.int32], found: tuple[str, ...], given: tuple[str, ...]
) -> NDArray[np.int32]:
    """Turn indices into what was found into indices into what was given."""
    if unknown := [label for label in found if label not in given]:
        raise DataError(f"{name}: label {unknown[0]!r} is not among {', '.join(given)}")
    return np.array([given.index(label) for label in found], np.int32)[indices]


def _split(
    name: str, raw: RawData, labels: AnyArray, task: Task, test_fraction: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows of the train and of the test part, as positions in `raw.all_labels`."""
    if raw.test_features is not None:
        return np.arange(len(raw.labels)), np.arange(len(raw.labels), len(labels))
    strata = labels if task is Task.CLASSIFICATION else np.zeros(len(labels), np.int32)
    return split_test(name, strata, test_fraction)


def _finite(name: str, features: NDArray[np.float32]) -> NDArray[np.float32]:
    if not np.isfinite(features).all():
        raise DataError(f"{name}: features hold numbers too large for 32-bit floats")
    return features


@dataclass(frozen=True)
class _Scaling:
    """How numbers become float32: (x - shift) / scale."""

    shift: Any = None
    scale: Any = None

    @classmethod
    def standardise(cls, train: AnyArray) -> _Scaling:
        """Bring each column to mean 0 and deviation 1 over the rows of the train part."""
        deviation = train.std(axis=0, dtype=np.float64)
        # A constant column has nothing to tell, and would be divided by zero.
        steady = deviation <= 1e-12 * np.abs(train).max(axis=0)
        return cls(train.mean(axis=0, dtype=np.float64), np.where(steady, 1.0, deviation))

    def apply(self, values: AnyArray) -> NDArray[np.float32]:
        with np.errstate(over="ignore"):  # what overflows is refused afterwards, by name
            if self.shift is not None:
                values = (values - self.shift) / self.scale
            elif self.scale is not None:
                values = np.divide(values, self.scale, dtype=np.float32)
            return values.astype(np.float32, copy=False)
