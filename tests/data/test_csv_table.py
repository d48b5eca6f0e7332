from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fedloom.data import Task, load_dataset
from fedloom.errors import DataError

ROWS = "".join(f"{i},{i * i}.5,{'yes' if i % 3 else 'no'}\n" for i in range(15))


def write(tmp_path: Path, text: str) -> str:
    (tmp_path / "t.csv").write_bytes(text.encode("utf-8", "surrogateescape"))
    return f"csv:{tmp_path / 't.csv'}"


def test_columns_are_standardised_and_labels_are_text(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path, "a,b,y\n" + ROWS), label_column="y")
    assert dataset.task is Task.CLASSIFICATION
    assert dataset.classes == ("no", "yes")
    assert dataset.feature_shape == (2,)
    assert np.bincount(dataset.test_labels).tolist() == [1, 2]
    np.testing.assert_allclose(dataset.train_features.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(dataset.train_features.std(axis=0), 1, atol=1e-6)


def test_label_column_may_stand_anywhere(tmp_path: Path) -> None:
    text = "\ufeffy,a\r\n" + "".join(f"{i % 2}, {i} \r\n" for i in range(10))
    dataset = load_dataset(write(tmp_path, text), label_column="y")
    assert dataset.classes == ("0", "1")
    # Feature a is the row's number, whose parity is the label.
    order = np.argsort(np.concatenate([dataset.train_features, dataset.test_features])[:, 0])
    labels = np.concatenate([dataset.train_labels, dataset.test_labels])
    assert labels[order].tolist() == [0, 1] * 5


def test_quoted_names_and_empty_lines_at_the_end(tmp_path: Path) -> None:
    text = '"a ""b"", c",y\n' + "".join(f"{i},{i % 2}\n" for i in range(10)) + "\n\n"
    dataset = load_dataset(write(tmp_path, text), label_column="y")
    assert len(dataset.train_labels) + len(dataset.test_labels) == 10


def test_target_of_a_regression_is_standardised(tmp_path: Path) -> None:
    text = "a,price\n" + "".join(f"{i},{i * 10}.25\n" for i in range(30))
    dataset = load_dataset(write(tmp_path, text), label_column="price")
    assert dataset.task is Task.REGRESSION
    np.testing.assert_allclose(dataset.train_labels, dataset.train_features[:, 0], atol=1e-5)


def test_constant_column_becomes_zero(tmp_path: Path) -> None:
    text = "a,b,y\n" + "".join(f"{i},0.1,{i % 2}\n" for i in range(10))
    dataset = load_dataset(write(tmp_path, text), label_column="y")
    assert abs(dataset.train_features[:, 1]).max() < 1e-6


def test_whole_numbers_that_may_be_quantities(tmp_path: Path) -> None:
    name = write(tmp_path, "a,y\n" + "".join(f"{i},{i * 3}\n" for i in range(40)))
    with pytest.raises(DataError, match="40 distinct whole numbers"):
        load_dataset(name, label_column="y")
    assert load_dataset(name, label_column="y", task="Regression").task is Task.REGRESSION


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("a,y\n", "has a header but no row"),
        ("y\n1\n", "no column beside the labels"),
        ("a,b\n1,2\n", "no column 'y' for the labels: it has a, b"),
        ("a,a,y\n1,2,3\n", "more than one column 'a'"),
        (",a,y\n0,1,2\n", "column 1 of .* has no name"),
        ("a,y\n1,0\n2.5x,1\n", "column 'a' of .* is '2.5x', which is no finite number, in line 3"),
        ("a,y\n1,0\nNaN,1\n", "column 'a' of .* is 'NaN', which is no finite number, in line 3"),
        ("a,y\n1,0\n-inf,1\n", "no finite number, in line 3"),
        ("a,y\n1,0\n,1\n", "column 'a' of .* is empty, in line 3"),
        ("a,b,y\n1,2,0\n1,2\n", "label column 'y' of .* is empty, in line 3"),
        ("a,y\n1,0\n2,\n", "label column 'y' of .* is empty, in line 3"),
        ("a,y\n1,0\n2,1,5\n3,1\n", "line 3 has 3 values, not 2"),
        ("a,y\n" + "1,0\n2,1\n" * 9000 + "3,\udcff\n", "is not UTF-8 text"),
        ('a,y\n1,"x\nz"\nb,1\n', "is 'b', which is no finite number, in line 4"),
        ('a,y\n1,0\n"2,1\n', "cannot read .*: unexpected end of data"),
        ("a,y\n1,0\n\n2,1\n", "column 'a' of .* is empty, in line 3"),
        ("a,y\r1,0\r2,1\r", "has a header but no row"),
        ("a,y\n1,no\n2,no\n", "every label is 'no'"),
        ("a,y\n1,nan\n2,0.5\n", "labels hold NaN"),
        ("a,y\n1,\udcff\n", "is not UTF-8 text"),
        ("a,\udcff\n1,1\n", "is not UTF-8 text"),
    ],
)
def test_malformed_files_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    name = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        load_dataset(name, label_column="y")
    assert "t.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_label_column_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"name the label column .*--label-column: a, y"):
        load_dataset(write(tmp_path, "a,y\n1,2\n"))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(f"csv:{tmp_path / 'none.csv'}", label_column="y")
