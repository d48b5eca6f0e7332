"""The clients' data: scikit-learn's digits, split among them. Put what reads your own here.

Run as a script, this is the entry point `startup`: it writes `data/clients/<i>/digits.npz` for
each client i from 1 on. A client of a real federation has its data already and needs no such step.
"""

import os
from pathlib import Path

import numpy as np


def load_data(data_path=None, is_train=True):
    """Return one client's rows: 64 pixels each, from 0 to 1, and their labels.

    Args:
        data_path: the client's file. By default what SCALEOUT_DATA_PATH or FEDN_DATA_PATH says,
            and else the file of the client that FEDLOOM_CLIENT_INDEX counts from 0.
        is_train: the part to train on, or the one to validate with.
    """
    named = data_path or os.environ.get("SCALEOUT_DATA_PATH") or os.environ.get("FEDN_DATA_PATH")
    client = int(os.environ.get("FEDLOOM_CLIENT_INDEX", 0)) + 1
    part = "train" if is_train else "test"
    with np.load(named or locate(client)) as file:
        return file[f"x_{part}"], file[f"y_{part}"]


def locate(client):
    """Return the file of a client, counted from 1."""
    return Path("data", "clients", str(client), "digits.npz")


def count_clients():
    """Return how many clients share the rows: 2, if no variable says more."""
    names = ("SCALEOUT_NUM_DATA_SPLITS", "FEDN_NUM_DATA_SPLITS", "FEDLOOM_NUM_CLIENTS")
    return next((int(os.environ[name]) for name in names if os.environ.get(name)), 2)


def split(clients):
    """Write an equal share of the shuffled rows to each client's file; a fifth is for tests."""
    from sklearn.datasets import load_digits  # only here: training need not wait for it

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(pixels))
    for client in range(1, clients + 1):
        rows = order[client - 1 :: clients]
        test, train = np.split(rows, [len(rows) // 5])
        file = locate(client)
        file.parent.mkdir(parents=True, exist_ok=True)
        training = {"x_train": pixels[train], "y_train": labels[train]}
        np.savez(file, **training, x_test=pixels[test], y_test=labels[test])
        print(f"{file}: {len(train)} rows to train on, {len(test)} to validate with")


if __name__ == "__main__":
    split(count_clients())
