"""The documented example: its layout, and where it takes its images from."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import numpy as np
import pytest

from .trial import EXAMPLES, copy_project

SOURCE = EXAMPLES / "mnist-pytorch"
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
IDX_NAMES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images.idx3-ubyte",
    "t10k-labels.idx1-ubyte",
)


def draw_images() -> list[np.ndarray]:
    """Draw rows whose labels can be told from their first pixel."""
    labels = np.arange(50, dtype=np.uint8) % 10
    images = np.zeros((50, 28, 28), np.uint8)
    images[:, 0, 0] = labels
    return [images[:40], labels[:40], images[40:], labels[40:]]


def write_idx(path: Path, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    raw = header + array.tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


def read_share(folder: Path, client: int) -> tuple[np.ndarray, np.ndarray]:
    import torch

    path = folder / "client" / "data" / "clients" / str(client) / "mnist.pt"
    share = torch.load(path, weights_only=True)
    assert list(share) == ["x_train", "y_train", "x_test", "y_test"]
    return share["x_train"].numpy(), share["y_train"].numpy()


def test_the_layout_is_the_documented_one() -> None:
    files = {path.name for path in (SOURCE / "client").iterdir() if path.is_file()}
    wanted = "scaleout.yaml python_env.yaml model.py data.py train.py validate.py .ignore"
    assert files == set(wanted.split())
    assert "torch==2.13.0" in (SOURCE / "client" / "python_env.yaml").read_text("utf-8")
    for script in ("model.py", "train.py", "validate.py"):
        text = (SOURCE / "client" / script).read_text("utf-8")
        assert re.search(r"^from scaleoututil\.helpers\.helpers import ", text, re.MULTILINE)
        assert "fedloom" not in text


@pytest.mark.parametrize("subfolder", [".", "mnist"])
def test_images_of_a_named_folder_come_first(subfolder: str, tmp_path: Path) -> None:
    folder = tmp_path / "sets" / subfolder
    folder.mkdir(parents=True)
    for name, array in zip(IDX_NAMES, draw_images(), strict=True):
        write_idx(folder / name, array)
    trial = copy_project(
        SOURCE,
        tmp_path / "project",
        ["startup"],
        FEDLOOM_DATA_DIR=str(tmp_path / "sets"),
        FEDN_NUM_DATA_SPLITS="3",
    )
    shares = [read_share(trial.folder, client) for client in (1, 2, 3)]
    assert [len(labels) for _, labels in shares] == [14, 13, 13]
    assert all((images[:, 0, 0] == labels).all() for images, labels in shares)


def test_images_of_the_project_come_before_those_of_the_machine(tmp_path: Path) -> None:
    variables = {"FEDLOOM_NUM_CLIENTS": "2", "FEDLOOM_CLIENT_INDEX": "0"}
    trial = copy_project(SOURCE, tmp_path / "project", [], **variables)
    names = ("x_train", "y_train", "x_test", "y_test")
    np.savez(trial.folder / "data" / "mnist.npz", **dict(zip(names, draw_images(), strict=True)))
    trial.run("startup")
    images, labels = read_share(trial.folder, 1)
    assert len(labels) == 20
    assert (images[:, 0, 0] == labels).all()
    assert not (trial.project.folder / "data" / "clients" / "2").exists()  # another client's


def test_a_machine_without_images_gets_patterns_that_can_be_learned(tmp_path: Path) -> None:
    trial = copy_project(SOURCE, tmp_path / "project", [])
    nowhere = "import data; from pathlib import Path; data.DEBIAN_FOLDER = Path('nowhere')"
    split = "origin, arrays = data.find_images(); assert 'drawn' in origin; data.split(arrays, 2)"
    trial.python("-c", f"{nowhere}; {split}")
    images, labels = (array.astype(float) for array in read_share(trial.folder, 1))
    means = np.stack([images[:500][labels[:500] == label].mean(0) for label in range(10)])
    distances = ((images[500:, None] - means) ** 2).sum((2, 3))
    assert (distances.argmin(1) == labels[500:]).mean() > 0.9


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's Fashion-MNIST is not installed")
def test_fashion_mnist_is_taken_where_debian_puts_it(tmp_path: Path) -> None:
    variables = {"SCALEOUT_NUM_DATA_SPLITS": "20", "FEDLOOM_CLIENT_INDEX": "19"}
    trial = copy_project(SOURCE, tmp_path / "project", ["startup"], **variables)
    images, labels = read_share(trial.folder, 20)
    assert images.shape == (3000, 28, 28)
    assert set(labels) == set(range(10))
