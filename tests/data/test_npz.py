from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedloom.data import Task, load_dataset
from fedloom.data.raw import AnyArray
from fedloom.errors import DataError

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2 * 7 + 3  # labels 3 and 10
PIXELS = np.arange(20 * 4 * 5, dtype=np.uint8).reshape(20, 4, 5)


def save(path: Path, **arrays: AnyArray) -> str:
    np.savez(path, **arrays)
    return f"npz:{path}"


@pytest.mark.parametrize("names", [("x_train", "y_train"), ("x", "y"), ("features", "labels")])
def test_names_of_arrays(tmp_path: Path, names: tuple[str, str]) -> None:
    dataset = load_dataset(save(tmp_path / "a.npz", **dict(zip(names, (X, Y), strict=True))))
    assert dataset.task is Task.CLASSIFICATION
    assert dataset.classes == ("3", "10")
    assert dataset.train_features.shape == (16, 2)
    assert dataset.test_features.shape == (4, 2)
    assert np.bincount(dataset.test_labels).tolist() == [2, 2]
    # Rows are taken as they are, each with its label: feature 0 is twice the row's number.
    assert np.array_equal(dataset.train_features[:, 0] / 2 % 2, dataset.train_labels)


def test_layout_of_keras_mnist(tmp_path: Path) -> None:
    name = save(tmp_path / "mnist.npz", x_train=PIXELS, y_train=Y, x_test=PIXELS[:3], y_test=Y[:3])
    dataset = load_dataset(name)
    assert dataset.name == name
    assert dataset.feature_shape == (4, 5, 1)
    assert len(dataset.train_labels) == 20
    assert np.array_equal(dataset.test_features[..., 0], PIXELS[:3] / np.float32(255))


def test_a_class_may_occur_in_one_part_only(tmp_path: Path) -> None:
    name = save(tmp_path / "a.npz", x_train=X, y_train=Y, x_test=X[:2], y_test=np.array([3, 99]))
    dataset = load_dataset(name)
    assert dataset.classes == ("3", "10", "99")
    assert dataset.test_labels.tolist() == [0, 2]


def test_numbers_are_a_regression_and_taken_as_they_are(tmp_path: Path) -> None:
    target = np.linspace(0, 9, 30)
    dataset = load_dataset(save(tmp_path / "a.npz", x=np.zeros(30), y=target[:, np.newaxis]))
    assert dataset.task is Task.REGRESSION
    assert dataset.feature_shape == (1,)
    both = np.concatenate([dataset.train_labels, dataset.test_labels])
    np.testing.assert_allclose(np.sort(both), target, rtol=1e-6)


def test_task_overrides(tmp_path: Path) -> None:
    name = save(tmp_path / "a.npz", x=X, y=Y)
    assert load_dataset(name, task="regression").task is Task.REGRESSION
    assert load_dataset(name, task="regression").train_labels.max() == 10


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "holds the arrays x: x_train and y_train or x and y or"),
        ({"x": X, "y": Y, "x_test": X}, "has x_test without the other"),
        ({"x": X, "y": Y[:-1]}, "20 rows of train features, but 19 labels"),
        ({"x": X[:0], "y": Y[:0]}, "train part is empty"),
        ({"x": X[:, :0], "y": Y}, r"empty \(shape \(20, 0\)\)"),
        ({"x": np.where(X == 6, np.nan, X), "y": Y}, "NaN or infinity, first in row 4"),
        ({"x": np.where(X == 6, np.inf, X), "y": Y}, "NaN or infinity, first in row 4"),
        ({"x": X * 1e300, "y": Y}, "too large for 32-bit"),
        ({"x": X, "y": np.where(Y == 3, np.nan, 1.0)}, "train labels hold NaN"),
        ({"x": X, "y": np.ones(20, int)}, "every label is '1'; at least two"),
        ({"x": X, "y": np.array(["a", ""] * 10)}, "empty text, first in row 2"),
        ({"x": X.astype(complex), "y": Y}, "type complex128, not numbers"),
        ({"x": X.astype(str), "y": Y}, "train features are of type <U"),
        ({"x": X, "y": np.eye(20)}, "one label per row"),
        ({"x": np.float64(3), "y": Y}, "one label per row"),
        ({"x": X, "y": np.arange(20)}, "every class occurs once|too few to set a test part"),
        ({"x": X, "y": np.array([{}] * 20)}, "array y of .* holds Python objects"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :1], "y_test": Y},
            r"shape \(2,\), but one of the test part \(1,\)",
        ),
        (
            {"x_train": X, "y_train": Y, "x_test": X, "y_test": Y.astype(str)},
            "one part's labels are text",
        ),
    ],
)
def test_bad_arrays_are_one_line(tmp_path: Path, arrays: dict[str, AnyArray], message: str) -> None:
    name = save(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(name)
    assert "bad.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_constant_target_is_refused(tmp_path: Path) -> None:
    name = save(tmp_path / "a.npz", x=X, y=np.full(20, 2.5))
    with pytest.raises(DataError, match=r"every label is 2\.5"):
        load_dataset(name)


def test_damaged_archives(tmp_path: Path) -> None:
    good = tmp_path / "good.npz"
    save(good, x=X, y=Y)
    content = good.read_bytes()
    np.save(tmp_path / "single.npy", X)
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name, damaged in {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"hello",
        "flipped": content[:200] + bytes([content[200] ^ 255]) + content[201:],
        "zip": b"PK\x05\x06" + b"\0" * 18,
        "single.npy": (tmp_path / "single.npy").read_bytes(),
        "objects.npy": (tmp_path / "objects.npy").read_bytes(),
    }.items():
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(DataError) as caught:
            load_dataset(f"npz:{tmp_path / name}")
        assert str(tmp_path / name) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(f"npz:{tmp_path / 'nowhere.npz'}")
    with pytest.raises(DataError, match="is not a file"):
        load_dataset(f"npz:{tmp_path}")
    with pytest.raises(DataError, match="no npz file is named"):
        load_dataset("npz:")
