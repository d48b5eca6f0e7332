from __future__ import annotations

import numpy as np
import pytest

from fedloom.data import Task, dataset_names, load_dataset
from fedloom.errors import DataError, InputError, UnknownNameError


def test_digits_is_the_default() -> None:
    dataset = load_dataset()
    assert dataset.name == "digits"
    assert dataset.task is Task.CLASSIFICATION
    assert dataset.classes == tuple("0123456789")
    assert dataset.feature_shape == (8, 8, 1)
    assert len(dataset.train_labels) + len(dataset.test_labels) == 1797
    assert len(dataset.test_labels) == 359
    assert dataset.train_features.dtype == np.float32
    assert dataset.train_labels.dtype == np.int32
    assert (dataset.train_features.min(), dataset.train_features.max()) == (0, 1)


def test_digits_rows_keep_their_labels() -> None:
    """Train and test part together are scikit-learn's rows, each with its label, once."""
    from sklearn.datasets import load_digits

    dataset, oracle = load_dataset("Digits"), load_digits()
    features = np.concatenate([dataset.train_features, dataset.test_features])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    ours = np.column_stack([np.rint(features.reshape(-1, 64) * 16), labels])
    theirs = np.column_stack([oracle.data, oracle.target])
    assert np.array_equal(ours[np.lexsort(ours.T)], theirs[np.lexsort(theirs.T)])


@pytest.mark.parametrize(
    ("name", "rows", "columns", "classes"),
    [
        ("iris", 150, 4, ("setosa", "versicolor", "virginica")),
        ("wine", 178, 13, ("class_0", "class_1", "class_2")),
        ("breast-cancer", 569, 30, ("benign", "malignant")),
    ],
)
def test_tables_are_standardised_by_the_train_part(
    name: str, rows: int, columns: int, classes: tuple[str, ...]
) -> None:
    dataset = load_dataset(name)
    assert dataset.classes == classes
    assert len(dataset.train_labels) + len(dataset.test_labels) == rows
    assert dataset.feature_shape == (columns,)
    np.testing.assert_allclose(dataset.train_features.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(dataset.train_features.std(axis=0), 1, atol=1e-5)
    assert abs(dataset.test_features.mean(axis=0)).max() > 1e-4


def test_breast_cancer_classes_are_mapped_in_natural_order() -> None:
    """357 of the 569 are benign, which scikit-learn counts as class 1 and we as class 0."""
    dataset = load_dataset("breast_cancer")
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    assert np.bincount(labels).tolist() == [357, 212]


def test_diabetes_is_a_regression_with_a_standardised_target() -> None:
    dataset = load_dataset("diabetes")
    assert dataset.task is Task.REGRESSION
    assert dataset.classes == ()
    assert dataset.outputs == 1
    assert dataset.train_labels.dtype == np.float32
    assert dataset.test_labels.dtype == np.float32
    assert abs(dataset.train_labels.mean()) < 1e-6
    assert abs(dataset.train_labels.std() - 1) < 1e-6


def test_test_part_is_stratified_and_does_not_depend_on_the_seed() -> None:
    first, second = load_dataset("iris", seed=1), load_dataset("iris", seed=2)
    assert np.array_equal(first.test_features, second.test_features)
    assert np.array_equal(first.train_features, second.train_features)
    assert np.bincount(first.test_labels).tolist() == [10, 10, 10]


@pytest.mark.parametrize(("fraction", "rows"), [(0.1, 15), (0.5, 75), (0.004, 1)])
def test_test_fraction(fraction: float, rows: int) -> None:
    assert len(load_dataset("iris", test_fraction=fraction).test_labels) == rows


def test_sample_is_seeded_nested_and_uniform() -> None:
    whole = load_dataset("digits")
    small = load_dataset("digits", sample_size=100, seed=3)
    large = load_dataset("digits", sample_frac=0.5, seed=3)
    other = load_dataset("digits", sample_size=100, seed=4)
    assert len(small.train_labels) == 100
    assert len(large.train_labels) == 719
    assert np.array_equal(small.test_features, whole.test_features)
    assert not np.array_equal(small.train_features, other.train_features)
    rows_of = lambda dataset: {row.tobytes() for row in dataset.train_features}  # noqa: E731
    assert rows_of(small) <= rows_of(large) <= rows_of(whole)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_size": 0}, "sample_size is 0"),
        ({"sample_size": -3}, "sample_size is -3"),
        ({"sample_size": True}, "sample_size is True"),
        ({"sample_size": 2000}, "digits has 1438 training rows: ask for 1…1438"),
        ({"sample_frac": 0}, "sample_frac is 0"),
        ({"sample_frac": 1.5}, "sample_frac is 1.5"),
        ({"sample_frac": float("nan")}, "sample_frac is nan"),
        ({"sample_frac": 1e-9}, "is no row"),
        ({"sample_size": 10, "sample_frac": 0.5}, "exclude each other"),
        ({"test_fraction": 0}, "test_fraction is 0"),
        ({"test_fraction": 1}, "test_fraction is 1"),
        ({"label_column": "y"}, "label_column is for csv:PATH only"),
        ({"image_size": 8}, "image_size is for images:FOLDER only"),
        ({"task": "clasification"}, "did you mean 'classification'"),
    ],
)
def test_impossible_arguments_are_one_line(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_dataset("digits", **arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["digit", "pdf:x.pdf", "", "mnst"])
def test_unknown_names_list_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownNameError, match="digits, iris") as caught:
        load_dataset(name)
    assert "images:FOLDER" in str(caught.value)


def test_task_can_be_overridden_where_it_makes_sense() -> None:
    assert load_dataset("digits", task="regression").train_labels.dtype == np.float32
    with pytest.raises(DataError, match="labels are text"):
        load_dataset("iris", task=Task.REGRESSION)


def test_every_name_is_loadable_or_idx() -> None:
    assert dataset_names() == (
        *("digits", "iris", "wine", "breast_cancer", "diabetes", "mnist", "fashion_mnist"),
    )
