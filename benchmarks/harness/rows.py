"""The clients' rows: prepared once, then read by every engine from the same files.

Images are the 60,000 training rows of Fashion-MNIST, 600 for each of 100 clients; where it is not
on this machine, images of the same shape are made. Small clients hold rows drawn from
scikit-learn's digits.
"""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.workloads import ModelName, Workload

__all__ = ["ClientRows", "load_rows", "prepare_rows", "read_sources"]

_IMAGES, _SMALL = 60_000, 400_000
_DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class ClientRows:
    """The rows of a workload's clients.

    Attributes:
        features: float32 in 0…1, shape (clients, rows, 784 or 64).
        labels: int64 in 0…9, shape (clients, rows).
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]


def prepare_rows(folder: Path) -> dict[str, str]:
    """Write the arrays that engines read (290 MB), unless they are there; say where rows are from.

    Returns:
        For "images" and "digits" one line each that names the source of the rows.
    """
    sources = folder / "sources.json"
    if not sources.exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = {"images": _write_images(folder), "digits": _write_digits(folder)}
        sources.write_text(json.dumps(found))  # last: its presence says that the arrays are whole
    return read_sources(folder)


def read_sources(folder: Path) -> dict[str, str]:
    """Return what `prepare_rows` found out."""
    found: dict[str, str] = json.loads((folder / "sources.json").read_text())
    return found


def load_rows(workload: Workload, folder: Path, *, shared: bool = False) -> ClientRows:
    """Return the rows of a workload's clients.

    Args:
        workload: whose rows.
        folder: where `prepare_rows` wrote them.
        shared: map the files instead of reading them, so that processes share the memory.
    """
    kind = "digits" if workload.model is ModelName.LOGISTIC else "images"
    shape = (workload.clients, workload.rows_per_client)

    def read(name: str) -> NDArray[Any]:
        mapped = np.load(folder / f"{kind}-{name}.npy", mmap_mode="r")[: shape[0] * shape[1]]
        rows = mapped.reshape(*shape, *mapped.shape[1:])
        return rows if shared else np.array(rows)

    return ClientRows(read("features"), read("labels"))


def _write_images(folder: Path) -> str:
    found = _read_fashion_mnist()
    features, labels = found or _make_images()
    order = np.random.default_rng(0).permutation(_IMAGES)  # IID clients
    np.save(folder / "images-features.npy", features[order])
    np.save(folder / "images-labels.npy", labels[order])
    return "Fashion-MNIST, real rows" if found else "synthetic 28×28 images (no Fashion-MNIST here)"


def _read_fashion_mnist() -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    places = [Path(os.environ.get("FEDLOOM_DATA_DIR", ".")) / "fashion-mnist", _DEBIAN_FOLDER]
    for place in places:
        images, labels = (place / f"train-{n}-ubyte.gz" for n in ("images-idx3", "labels-idx1"))
        if images.exists() and labels.exists():
            pixels = np.frombuffer(gzip.decompress(images.read_bytes()), np.uint8, offset=16)
            classes = np.frombuffer(gzip.decompress(labels.read_bytes()), np.uint8, offset=8)
            features = pixels.reshape(_IMAGES, 784).astype(np.float32) / np.float32(255)
            return features, classes.astype(np.int64)
    return None


def _make_images() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    prototypes = rng.random((10, 784), dtype=np.float32)
    labels = rng.integers(0, 10, _IMAGES)
    noise = rng.random((_IMAGES, 784), dtype=np.float32)
    return np.float32(0.5) * (prototypes[labels] + noise), labels


def _write_digits(folder: Path) -> str:
    from sklearn.datasets import load_digits

    digits = load_digits()
    drawn = np.random.default_rng(0).integers(0, len(digits.target), _SMALL)
    np.save(folder / "digits-features.npy", (digits.data[drawn] / 16).astype(np.float32))
    np.save(folder / "digits-labels.npy", digits.target[drawn].astype(np.int64))
    return "scikit-learn's digits, 1,797 rows drawn with replacement"
