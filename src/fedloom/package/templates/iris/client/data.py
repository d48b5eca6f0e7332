"""Three holders of irises, who differ in number and kind.

Run as a script, this is the entry point `startup`: it writes `data/clients/<i>/iris.npz` for the
clients 1, 2 and 3, unless this client's owner gives it a file. The first holds most of the flowers,
and nearly all of one species; the others hold few. All validate with the same 30 flowers, which
none of them trains on.
"""

import os
from pathlib import Path

import numpy as np

HOLDINGS = {1: (38, 30, 4), 2: (1, 7, 10), 3: (1, 3, 26)}
"""For each client, how many flowers of each species it holds."""


def load_data(data_path=None, is_train=True):
    """Return one client's rows, four lengths in decimetres each, and their species.

    Args:
        data_path: the client's file. By default what SCALEOUT_DATA_PATH or FEDN_DATA_PATH says,
            and else the file of the client that FEDLOOM_CLIENT_INDEX counts from 0.
        is_train: the part to train on, or the one to validate with.
    """
    client = int(os.environ.get("FEDLOOM_CLIENT_INDEX", 0)) + 1
    part = "train" if is_train else "test"
    with np.load(data_path or find_given() or locate(client)) as file:
        return file[f"x_{part}"], file[f"y_{part}"]


def find_given():
    """Return the file that the client's owner gives, if there is one."""
    return os.environ.get("SCALEOUT_DATA_PATH") or os.environ.get("FEDN_DATA_PATH")


def locate(client):
    """Return the file of a client, counted from 1."""
    return Path("data", "clients", str(client), "iris.npz")


def split():
    """Write each client's flowers to its file."""
    from sklearn.datasets import load_iris  # only here: training need not wait for it

    lengths, species = load_iris(return_X_y=True)
    lengths = (lengths / 10).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(species))
    kinds = [order[species[order] == kind] for kind in range(3)]
    test = np.concatenate([rows[:10] for rows in kinds])
    begins = np.full(3, 10)
    for client, counts in HOLDINGS.items():
        ends = begins + counts
        train = np.concatenate([kinds[i][begins[i] : ends[i]] for i in range(3)])
        begins = ends
        file = locate(client)
        file.parent.mkdir(parents=True, exist_ok=True)
        held = {"x_train": lengths[train], "y_train": species[train]}
        np.savez(file, **held, x_test=lengths[test], y_test=species[test])
        print(f"{file}: {len(train)} flowers to train on, {len(test)} to validate with")


if __name__ == "__main__":
    if find_given():
        print(f"{find_given()}: given by the owner of the data, so nothing is to be done")
    else:
        split()
