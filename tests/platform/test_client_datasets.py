"""A node's data sets: read when needed, kept, and nothing of them told but what may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from fedloom.data.dataset import Task
from fedloom.errors import DataError, InputError
from fedloom.platform.client import datasets
from fedloom.platform.client.data_source import DataSource, Form
from fedloom.platform.client.datasets import DataShelf

FRAME = pl.DataFrame(
    {
        "length": [float(n) for n in range(20)],
        "width": [n % 7 for n in range(20)],
        "kind": ["red" if n % 4 == 0 else "blue" for n in range(20)],
    }
)


def shelf(path: Path, **more: object) -> DataShelf:
    return DataShelf({"demo": DataSource.model_validate({"path": path, **more})})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    FRAME.write_csv(tmp_path / "table.csv")
    return tmp_path / "table.csv"


def test_csv_and_parquet_give_the_same(tmp_path: Path, table: Path) -> None:
    FRAME.write_parquet(tmp_path / "table.parquet")
    one = shelf(table, label="kind").load("demo")
    other = shelf(tmp_path / "table.parquet", label="kind").load("demo")
    assert one.classes == other.classes == ("blue", "red")
    assert (len(one.train_labels), len(one.test_labels)) == (16, 4)
    for name in ("train_features", "train_labels", "test_features", "test_labels"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.name == "demo"  # and no path
    assert abs(float(one.train_features.mean())) < 1e-6


def test_all_nodes_number_the_classes_alike(tmp_path: Path) -> None:
    only_red = FRAME.filter(pl.col("kind") == "red")
    only_red.write_csv(tmp_path / "red.csv")
    source = {"label": "kind", "classes": ["red", "green", "blue"]}
    dataset = shelf(tmp_path / "red.csv", **source).load("demo")
    assert dataset.classes == ("red", "green", "blue")
    assert set(dataset.train_labels.tolist()) == {0}
    assert dataset.task is Task.CLASSIFICATION
    FRAME.write_csv(tmp_path / "all.csv")
    assert set(shelf(tmp_path / "all.csv", **source).load("demo").train_labels.tolist()) == {0, 2}
    with pytest.raises(DataError, match=r"label 'red' is not among"):
        shelf(tmp_path / "red.csv", label="kind", classes=["a", "b"]).load("demo")


def test_a_test_part_of_its_own(tmp_path: Path, table: Path) -> None:
    FRAME.head(5).write_csv(tmp_path / "test.csv")
    dataset = shelf(table, label="kind", test=tmp_path / "test.csv").load("demo")
    assert (len(dataset.train_labels), len(dataset.test_labels)) == (20, 5)
    np.testing.assert_array_equal(dataset.train_features[:5], dataset.test_features)
    FRAME.select("width", "length", "kind").write_csv(tmp_path / "test.csv")
    with pytest.raises(DataError, match="has the columns width, length, kind, but"):
        shelf(table, label="kind", test=tmp_path / "test.csv").load("demo")


def test_numbers_as_they_are(table: Path) -> None:
    dataset = shelf(table, label="kind", standardize=False).load("demo")
    assert float(dataset.train_features.max()) > 10


def test_data_are_read_once_and_again_when_they_change(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = datasets.read_dataset

    def count(use_case: str, source: DataSource) -> object:
        reads.append(use_case)
        return read(use_case, source)

    monkeypatch.setattr(datasets, "read_dataset", count)
    kept = shelf(table, label="kind")
    assert reads == []
    assert kept.load("demo") is kept.load("demo")
    kept.summarize("demo")
    assert reads == ["demo"]
    FRAME.head(12).write_csv(table)
    assert kept.summarize("demo").rows == kept.summarize("demo").rows == 10
    assert reads == ["demo", "demo"]
    assert len(kept.load("demo").train_labels) == 10
    assert reads == ["demo"] * 3  # a summary alone keeps no arrays


def test_what_is_told(table: Path) -> None:
    summary = shelf(table, label="kind").summarize("demo")
    assert (summary.rows, summary.test_rows, summary.classes) == (16, 4, 2)
    assert summary.attributes() == {"test_rows": 4, "classes": 2}
    shared = shelf(table, label="kind", share_label_counts=True).summarize("demo")
    assert shared.attributes()["label_counts"] == {"blue": 12, "red": 4}


def test_too_few_rows(table: Path) -> None:
    assert shelf(table, label="kind", min_examples=16).find_shortage("demo") == ""
    shortage = shelf(table, label="kind", min_examples=17).find_shortage("demo")
    assert shortage == "it has fewer than the 17 rows that its owner requires"


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    images = np.zeros((12, 4, 4), np.uint8)
    np.savez(path, x_train=images, y_train=np.arange(12) % 2, x_test=images[:2], y_test=[0, 1])
    kept = shelf(path)
    assert kept.source("demo").kind is Form.NPZ
    assert kept.load("demo").train_features.shape == (12, 4, 4, 1)
    assert kept.summarize("demo").rows == 12


def test_a_folder_of_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for number in range(5):
            image.new("L", (8, 8), number).save(tmp_path / "pets" / label / f"{number}.png")
    kept = shelf(tmp_path / "pets")
    assert kept.load("demo").classes == ("cat", "dog")
    before = kept.load("demo")
    image.new("L", (8, 8), 9).save(tmp_path / "pets" / "cat" / "9.png")
    assert kept.load("demo") is not before
    assert kept.summarize("demo").rows == 9


def test_a_folder_that_only_packages_read(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    (folder / "a").mkdir(parents=True)
    for number in range(3):
        (folder / "a" / f"{number}.dcm").write_bytes(b"x")
    assert shelf(folder).summarize("demo").rows == 3
    kept = shelf(folder, rows=1200)
    assert kept.summarize("demo").rows == 1200
    given = kept.hand_out("demo", tmp_path)
    assert given["FEDLOOM_DATA_PATH"] == given["SCALEOUT_DATA_PATH"] == folder
    with pytest.raises(DataError):
        kept.load("demo")


def test_what_packages_get(tmp_path: Path, table: Path) -> None:
    FRAME.write_csv(tmp_path / "test.csv")
    given = shelf(table, label="kind", test=tmp_path / "test.csv").hand_out("demo", tmp_path)
    assert given == {
        "FEDLOOM_DATA_PATH": table,
        "SCALEOUT_DATA_PATH": table,
        "FEDN_DATA_PATH": table,
        "FEDLOOM_TEST_DATA_PATH": tmp_path / "test.csv",
    }
    given = shelf(table, label="kind", give="npz").hand_out("demo", tmp_path / "task")
    with np.load(given["FEDN_DATA_PATH"]) as file:
        assert {name: file[name].shape for name in file.files} == {
            **{"x_train": (16, 2), "y_train": (16,), "x_test": (4, 2), "y_test": (4,)}
        }


def test_other_use_cases_are_not_named(table: Path) -> None:
    with pytest.raises(InputError, match="no data for the use case 'other'") as caught:
        shelf(table, label="kind").load("other")
    assert "demo" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "label"),
    [
        (None, "kind"),
        (b"", "kind"),
        (b"a,b\n1,x\n", "kind"),
        (b"a,kind\nx,1\ny,2\n", "kind"),
        (b"a,kind\n1,\n", "kind"),
        (b"\xff\xfe\x00", "kind"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_rubbish_is_one_error(
    tmp_path: Path, content: bytes | None, label: str, ending: str
) -> None:
    path = tmp_path / f"d.{ending}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        shelf(path, label=label).load("demo")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "frame",
    [
        pl.DataFrame({"a": [1.0, None], "kind": [0, 1]}),
        pl.DataFrame({"a": [1.0, float("inf")], "kind": [0, 1]}),
        pl.DataFrame({"a": ["x", "y"], "kind": [0, 1]}),
        pl.DataFrame({"a": [1, 2], "kind": ["x", None]}),
        pl.DataFrame({"kind": ["x", "y"]}),
        pl.DataFrame({"a": [1, 2], "other": ["x", "y"]}),
        pl.DataFrame({"a": [], "kind": []}),
    ],
)
def test_a_parquet_file_that_cannot_be_learnt_from(tmp_path: Path, frame: pl.DataFrame) -> None:
    frame.write_parquet(tmp_path / "d.parquet")
    with pytest.raises(DataError):
        shelf(tmp_path / "d.parquet", label="kind").load("demo")


@pytest.mark.parametrize(
    "source",
    [
        {"path": "d.csv"},
        {"path": "d.npz", "label": "kind"},
        {"path": "d.xyz"},
        {"path": "d.csv", "label": "kind", "classes": ["a"]},
        {"path": "d.csv", "label": "kind", "classes": ["a", "a"]},
        {"path": "d.csv", "label": "kind", "min_examples": 0},
        {"path": "d.csv", "label": "kind", "lable": "x"},
        {"path": "folder", "test": "other"},
    ],
)
def test_a_source_that_is_wrong(source: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DataSource.model_validate(source)
