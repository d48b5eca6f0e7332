from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedloom.data import load_dataset
from fedloom.errors import DataError, InputError, MissingExtraError

Image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'fedloom[images]'")


def save(path: Path, pixels: NDArray[np.uint8 | np.uint16]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def grey(value: int, side: int = 5) -> NDArray[np.uint8]:
    return np.full((side, side), value, np.uint8)


def make_folder(folder: Path) -> Path:
    for label, value in (("10", 51), ("9", 255)):
        for number in range(5):
            save(folder / label / f"{number}.png", grey(value))
    return folder


def test_one_folder_per_class(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "set")
    (folder / "9" / "notes.txt").write_text("no image")
    (folder / "9" / "._1.png").write_text("no image either")
    (folder / ".hidden").mkdir()
    dataset = load_dataset(f"images:{folder}", image_size=4)
    assert dataset.classes == ("9", "10")
    assert dataset.train_features.shape == (8, 4, 4, 1)
    assert dataset.test_features.shape == (2, 4, 4, 1)
    expected = np.where(dataset.train_labels == 0, 1.0, 0.2)
    np.testing.assert_allclose(dataset.train_features[:, 0, 0, 0], expected, rtol=1e-6)


def test_default_size_and_colour(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "set")
    save(folder / "9" / "red.png", np.full((7, 9, 3), (255, 0, 0), np.uint8))
    dataset = load_dataset(f"images:{folder}")
    assert dataset.feature_shape == (32, 32, 3)
    features = np.concatenate([dataset.train_features, dataset.test_features])
    assert sum(np.array_equal(row[3, 3], [1, 0, 0]) for row in features) == 1


def test_train_and_test_folders(tmp_path: Path) -> None:
    make_folder(tmp_path / "train")
    save(tmp_path / "test" / "9" / "a.jpg", grey(255))
    dataset = load_dataset(f"images:{tmp_path}", image_size=8)
    assert len(dataset.train_labels) == 10
    assert dataset.test_labels.tolist() == [0]


def test_sixteen_bits_and_orientation(tmp_path: Path) -> None:
    save(tmp_path / "deep" / "a.png", np.full((4, 4), 0xFF00, np.uint16))
    save(tmp_path / "deep" / "b.png", np.full((4, 4), 0xFF00, np.uint16))
    left_dark = np.tile(np.array([0, 255], np.uint8), (2, 1))
    for name in ("a", "b"):
        exif = Image.Exif()
        exif[0x0112] = 6  # to be turned clockwise: what was left comes to the top
        (tmp_path / "turned").mkdir(exist_ok=True)
        Image.fromarray(left_dark).save(tmp_path / "turned" / f"{name}.png", exif=exif)
    dataset = load_dataset(f"images:{tmp_path}", image_size=2, test_fraction=0.5)
    by_class = dict(zip(dataset.train_labels.tolist(), dataset.train_features, strict=True))
    assert by_class[0][..., 0].tolist() == [[1, 1], [1, 1]]
    assert by_class[1][..., 0].tolist() == [[0, 0], [1, 1]]


def test_damaged_image_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "set")
    whole = (folder / "9" / "1.png").read_bytes()
    for content in (b"", b"no image", whole[: len(whole) // 2]):
        (folder / "9" / "1.png").write_bytes(content)
        with pytest.raises(DataError, match=r"cannot read .*1\.png") as caught:
            load_dataset(f"images:{folder}")
        assert "\n" not in str(caught.value)


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        load_dataset(f"images:{tmp_path / 'none'}")
    with pytest.raises(DataError, match="holds no folders"):
        load_dataset(f"images:{tmp_path}")
    (tmp_path / "cats").mkdir()
    with pytest.raises(DataError, match="cats holds no image"):
        load_dataset(f"images:{tmp_path}")
    save(tmp_path / "cats" / "a.png", grey(1))
    with pytest.raises(DataError, match="every label is 'cats'"):
        load_dataset(f"images:{tmp_path}")
    with pytest.raises(DataError, match="is not a folder"):
        load_dataset(f"images:{tmp_path / 'cats' / 'a.png'}")


@pytest.mark.parametrize("size", [0, -1, 5000, True])
def test_impossible_size(tmp_path: Path, size: int) -> None:
    with pytest.raises(InputError, match="image_size is"):
        load_dataset(f"images:{tmp_path}", image_size=size)


def test_missing_pillow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fedloom\[images\]'"):
        load_dataset(f"images:{tmp_path}")
