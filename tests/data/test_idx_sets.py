from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from fedloom.data import load_dataset
from fedloom.data.idx import read_idx
from fedloom.errors import DataError

from .idx_files import PARTS, encode_idx, make_arrays, write_idx_set

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("gzipped", [True, False])
def test_idx_round_trip(tmp_path: Path, kind: str, gzipped: bool) -> None:
    values = np.arange(24).reshape(2, 3, 4).astype(kind)
    content = encode_idx(values)
    path = tmp_path / "values"
    path.write_bytes(gzip.compress(content) if gzipped else content)
    read = read_idx(path, 3)
    assert read.dtype == values.dtype
    assert np.array_equal(read, values)


IMAGES = encode_idx(np.zeros((2, 3, 4), np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no IDX file"),
        (b"PK\x03\x04rest", "begins with 0x504b0304 instead of 0x00000803"),
        (b"\0\0\x07\x03" + IMAGES[4:], "no IDX file"),
        (encode_idx(np.zeros(5, np.uint8)), "1 dimensions instead of 3"),
        (IMAGES[:9], "cut off inside its header"),
        (IMAGES[:-1], "cut off: 39 bytes instead of 40"),
        (IMAGES + b"x", "too long: 41 bytes instead of 40"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "cut off"),
        (gzip.compress(IMAGES, mtime=0)[:-9], "damaged or cut-off gzip"),
        (gzip.compress(IMAGES, mtime=0)[:20] + b"xxxxxxxxxxxxx", "damaged or cut-off gzip"),
    ],
)
def test_malformed_idx_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    ["", "mnist", "MNIST", "MNIST/raw"],
)
@pytest.mark.parametrize("gzipped", [True, False])
def test_found_in_data_dir_and_its_subfolder(tmp_path: Path, place: str, gzipped: bool) -> None:
    write_idx_set(tmp_path / "sets" / place, gzipped=gzipped)
    dataset = load_dataset("mnist", data_dir=tmp_path / "sets")
    images, labels, test_images, _ = make_arrays()
    assert dataset.train_features.shape == (12, 2, 3, 1)
    assert np.array_equal(dataset.train_features[..., 0], images / np.float32(255))
    assert np.array_equal(dataset.test_features[..., 0], test_images / np.float32(255))
    assert np.array_equal(dataset.train_labels, labels)
    assert dataset.classes == ("0", "1", "2", "3")


def test_subfolder_of_that_name_goes_before_the_folder_itself(tmp_path: Path) -> None:
    """Both data sets have files of the same names, so a folder of both needs subfolders."""
    write_idx_set(tmp_path / "fashion-mnist")
    (tmp_path / f"{PARTS[0]}.gz").write_bytes(b"another data set's")
    assert len(load_dataset("fashion_mnist", data_dir=str(tmp_path)).train_labels) == 12


def test_found_in_the_folder_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx_set(tmp_path / "sets" / "mnist")
    monkeypatch.setenv("FEDLOOM_DATA_DIR", str(tmp_path / "sets"))
    assert len(load_dataset("mnist").train_labels) == 12


def test_found_in_the_cache_and_under_dotted_names(tmp_path: Path) -> None:
    cache = tmp_path / "cache" / "datasets" / "mnist"
    write_idx_set(cache, gzipped=False)
    for part in PARTS:
        (cache / part).rename(cache / part.replace("-idx", ".idx"))
    assert len(load_dataset("mnist").train_labels) == 12


def test_incomplete_data_dir_names_what_is_missing(tmp_path: Path) -> None:
    write_idx_set(tmp_path / "sets")
    (tmp_path / "sets" / f"{PARTS[1]}.gz").unlink()
    with pytest.raises(DataError, match=r"lacks train-labels-idx1-ubyte\(\.gz\)$"):
        load_dataset("mnist", data_dir=tmp_path / "sets")


def test_data_dir_must_be_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"--data-dir is .*no folder"):
        load_dataset("mnist", data_dir=tmp_path / "nowhere")
    monkeypatch.setenv("FEDLOOM_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"FEDLOOM_DATA_DIR is .*no folder"):
        load_dataset("mnist")


def test_images_and_labels_must_match(tmp_path: Path) -> None:
    write_idx_set(tmp_path, gzipped=False)
    (tmp_path / PARTS[3]).write_bytes(encode_idx(np.zeros(3, np.uint8)))
    with pytest.raises(DataError, match=r"has 4 images, but .* has 3 labels"):
        load_dataset("mnist", data_dir=tmp_path)


def test_images_of_both_parts_must_have_one_size(tmp_path: Path) -> None:
    write_idx_set(tmp_path, gzipped=False)
    (tmp_path / PARTS[2]).write_bytes(encode_idx(np.zeros((4, 5, 5), np.uint8)))
    with pytest.raises(DataError, match=r"\(2, 3, 1\), but one of the test part \(5, 5, 1\)"):
        load_dataset("mnist", data_dir=tmp_path)


@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist (apt install)"
)
def test_real_fashion_mnist() -> None:
    dataset = load_dataset("Fashion-MNIST", sample_size=30_000, seed=5)
    assert dataset.train_features.shape == (30_000, 28, 28, 1)
    assert dataset.test_features.shape == (10_000, 28, 28, 1)
    assert np.bincount(dataset.test_labels).tolist() == [1000] * 10
    assert dataset.train_features.max() == 1
    # The published mean of the training pixels is 0.2860.
    assert abs(dataset.train_features.mean() - 0.2860) < 0.002
