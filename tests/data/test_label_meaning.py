from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.data.dataset import Task
from fedloom.data.labels import bin_labels, bin_names, encode_classes, infer_task
from fedloom.data.raw import AnyArray
from fedloom.errors import DataError


@pytest.mark.parametrize(
    ("labels", "classes", "indices"),
    [
        (np.array([30, -7, 2, 30]), ("-7", "2", "30"), [2, 0, 1, 2]),
        (np.array(["10", "9", "-1"]), ("-1", "9", "10"), [2, 1, 0]),
        (np.array(["v10", "v9", "V1"]), ("V1", "v9", "v10"), [2, 1, 0]),
        (np.array([2.0, 1.0]), ("1", "2"), [1, 0]),
        (np.array([0.5, 2.0]), ("0.5", "2"), [0, 1]),
        (np.array([True, False]), ("False", "True"), [1, 0]),
        (np.array([b"no", b"ja"]), ("ja", "no"), [1, 0]),
        (np.array(["nan", "1"]), ("1", "nan"), [1, 0]),
    ],
)
def test_classes_are_in_natural_order(
    labels: AnyArray, classes: tuple[str, ...], indices: list[int]
) -> None:
    codes, texts = encode_classes(labels)
    assert texts == classes
    assert codes.tolist() == indices
    assert codes.dtype == np.int32


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0"), min_size=1), min_size=1))
def test_encoding_can_be_undone(labels: list[str]) -> None:
    codes, texts = encode_classes(np.array(labels))
    assert [texts[code] for code in codes] == labels
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        (np.array([0, 1, 2]), Task.CLASSIFICATION),
        (np.array(["a", "b"]), Task.CLASSIFICATION),
        (np.array([True, False]), Task.CLASSIFICATION),
        (np.array([0.0, 1.0, 1.0]), Task.CLASSIFICATION),
        (np.array([0.5, 1.0, 1.0]), Task.REGRESSION),
        (np.arange(20.0), Task.CLASSIFICATION),
        (np.arange(21.0), Task.REGRESSION),
        (np.repeat(np.arange(30), 2), Task.CLASSIFICATION),
    ],
)
def test_task_is_told_from_the_labels(labels: AnyArray, task: Task) -> None:
    assert infer_task("x", labels) is task


def test_many_whole_numbers_must_be_explained() -> None:
    with pytest.raises(DataError, match=r"21 distinct whole numbers.*--task"):
        infer_task("prices", np.arange(21))


def test_bins_of_distinct_numbers_are_even() -> None:
    numbers = np.random.default_rng(0).normal(size=100)
    bins = bin_labels(numbers)
    assert np.bincount(bins).tolist() == [10] * 10
    assert (np.diff(bins[np.argsort(numbers)]) >= 0).all()
    assert bin_names()[0] == "bin_0"
    assert len(bin_names()) == 10


def test_equal_numbers_share_a_bin() -> None:
    assert bin_labels([3.0] * 7).tolist() == [0] * 7
    assert bin_labels([1, 1, 1, 1, 9], bins=2).tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("values", "bins"), [([], 10), ([1.0, np.nan], 2), ([1.0], 0)])
def test_bins_refuse_what_cannot_be_binned(values: list[float], bins: int) -> None:
    with pytest.raises(DataError, match="bins"):
        bin_labels(values, bins)
