"""The clients' images: split among them, and read by them.

Run as a script, this is the entry point `startup`: it writes `data/clients/<i>/mnist.pt` for each
client i from 1 on, without any download. Images are taken from the first of these that is there:

1. the folder FEDLOOM_DATA_DIR, with the four files of MNIST or Fashion-MNIST as published;
2. `mnist.npz` in the project's folder `data`;
3. the folder of Debian's package dataset-fashion-mnist;
4. ten random patterns under noise, drawn here: enough to see that everything runs.
"""

import gzip
import os
from pathlib import Path

import numpy as np
import torch

PARTS = tuple(
    f"{part}-ubyte*"
    for part in ("train-images?idx3", "train-labels?idx1", "t10k-images?idx3", "t10k-labels?idx1")
)
NAMES = ("x_train", "y_train", "x_test", "y_test")
PROJECT_FILE = Path(__file__).resolve().parents[1] / "data" / "mnist.npz"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")


def load_data(data_path=None, is_train=True):
    """Return one client's images, as floats from 0 to 1, and their labels.

    Args:
        data_path: the client's file. By default what SCALEOUT_DATA_PATH or FEDN_DATA_PATH says,
            and else the file of the client that FEDLOOM_CLIENT_INDEX counts from 0.
        is_train: the part to train on, or the one to validate with.
    """
    named = data_path or os.environ.get("SCALEOUT_DATA_PATH") or os.environ.get("FEDN_DATA_PATH")
    client = int(os.environ.get("FEDLOOM_CLIENT_INDEX", 0)) + 1
    data = torch.load(named or locate(client), weights_only=True)
    part = "train" if is_train else "test"
    return data[f"x_{part}"].float() / 255, data[f"y_{part}"].long()


def locate(client):
    """Return the file of a client, counted from 1."""
    return Path("data", "clients", str(client), "mnist.pt")


def count_clients():
    """Return how many clients share the images: 2, if no variable says more."""
    names = ("SCALEOUT_NUM_DATA_SPLITS", "FEDN_NUM_DATA_SPLITS", "FEDLOOM_NUM_CLIENTS")
    return next((int(os.environ[name]) for name in names if os.environ.get(name)), 2)


def split(images, clients):
    """Give each client an equal share of the shuffled rows, and write those to its file.

    Args:
        images: four arrays in the order of `NAMES`.
        clients: how many there are. If FEDLOOM_CLIENT_INDEX says which one this is, counted from
            0, only its file is written.
    """
    x_train, y_train, x_test, y_test = images
    train_order = np.random.default_rng(1).permutation(len(x_train))
    test_order = np.random.default_rng(2).permutation(len(x_test))
    index = os.environ.get("FEDLOOM_CLIENT_INDEX")
    for client in [int(index) + 1] if index else range(1, clients + 1):
        train, test = (order[client - 1 :: clients] for order in (train_order, test_order))
        share = (x_train[train], y_train[train], x_test[test], y_test[test])
        file = locate(client)
        file.parent.mkdir(parents=True, exist_ok=True)
        tensors = (torch.from_numpy(array) for array in share)
        torch.save(dict(zip(NAMES, tensors, strict=True)), file)
        print(f"{file}: {len(train)} images to train on, {len(test)} to validate with")


def find_images():
    """Return where the images come from, and the four arrays."""
    named = os.environ.get("FEDLOOM_DATA_DIR")
    for subfolder in (".", "mnist", "fashion_mnist", "fashion-mnist") if named else ():
        if images := read_folder(Path(named, subfolder)):
            return Path(named, subfolder), images
    if PROJECT_FILE.exists():
        with np.load(PROJECT_FILE) as file:
            return PROJECT_FILE, [file[name] for name in NAMES]
    if images := read_folder(DEBIAN_FOLDER):
        return DEBIAN_FOLDER, images
    return "ten patterns drawn here, for want of images", draw_patterns()


def read_folder(folder):
    """Return the four arrays of a folder of IDX files; None if it lacks one."""
    paths = [min(folder.glob(part), default=None) for part in PARTS]
    return [read_idx(path) for path in paths] if all(paths) else None


def read_idx(path):
    """Read bytes in the format IDX, gzipped or plain: a header of the sizes, then the values."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">i4", dimensions, offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape).copy()


def draw_patterns():
    """Draw images of ten random patterns, each half hidden by noise."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 128, (10, 28, 28))
    labels = rng.integers(0, 10, 2400).astype(np.uint8)
    images = (patterns[labels] + rng.integers(0, 128, (2400, 28, 28))).astype(np.uint8)
    return images[:2000], labels[:2000], images[2000:], labels[2000:]


if __name__ == "__main__":
    origin, arrays = find_images()
    print(f"images from {origin}")
    split(arrays, count_clients())
