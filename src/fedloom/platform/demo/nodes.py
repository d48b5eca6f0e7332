"""The demo's nodes: their data, their policies, and what their configurations say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError
from fedloom.files import open_replacing, output_errors, write_text
from fedloom.platform.demo.deal import deal
from fedloom.platform.demo.package import DEMO_NAME, demo_digest

__all__ = ["write_demo"]

_SPECIES = ("setosa", "versicolor", "virginica")
_LENGTHS = ("sepal_length_dm", "sepal_width_dm", "petal_length_dm", "petal_width_dm")
_DIGITS = "digits"
_TEST_SHARE = 5
"""One row in so many is for scoring; these rows are the same at all nodes."""
_MOST_NODES = 1000

_POLICY = """\
# What may run at this node of a demo. Written by `fedloom up`, which leaves it alone once you have
# changed it.
mode: deny
digests: [{digest}]  # the package iris, as it comes with Fedloom
models: ["*"]  # Fedloom's own
"""

_Rows = tuple[NDArray[np.float32], NDArray[np.int64]]


def write_demo(folder: Path, clients: int = 3) -> list[dict[str, Any]]:
    """Lay out nodes with data for the use cases `iris` and `digits`; what is there stays.

    Args:
        folder: a folder is made in it for each node, ``client-1`` and so on.
        clients: number of nodes.

    Returns:
        For each node what its configuration says beside where the platform is: name, state,
        client_index, num_clients and datasets, with absolute paths.

    Raises:
        InputError: the number cannot be meant.
        OutputError: something cannot be written.
    """
    if not 1 <= clients <= _MOST_NODES:
        raise InputError(f"a demo has 1 to {_MOST_NODES} clients, not {clients}")
    homes = [folder.absolute() / f"client-{number}" for number in range(1, clients + 1)]
    if missing := [home for home in homes if not _is_whole(home)]:
        _write_data(homes, set(missing))
    digest = demo_digest()
    for home in homes:
        _write_policy(home / "policy.yaml", digest)
    return [_describe(home, index, clients) for index, home in enumerate(homes)]


def _is_whole(home: Path) -> bool:
    return all(path.exists() for path in _files(home))


def _files(home: Path) -> tuple[Path, Path, Path]:
    data = home / "data"
    return data / "iris.csv", data / "iris-test.csv", data / "digits.npz"


def _describe(home: Path, index: int, clients: int) -> dict[str, Any]:
    train, test, digits = (str(path) for path in _files(home))
    iris = {
        "path": train,
        "test": test,
        "label": "species",
        "classes": list(_SPECIES),
        "standardize": False,
        "share_label_counts": True,
        "give": "npz",
    }
    images = {"path": digits, "share_label_counts": True, "classes": [str(n) for n in range(10)]}
    return {
        "name": home.name,
        "state": str(home),
        "client_index": index,
        "num_clients": clients,
        "datasets": {DEMO_NAME: iris, _DIGITS: images},
    }


def _write_data(homes: list[Path], missing: set[Path]) -> None:
    flowers, digits = _load(DEMO_NAME), _load(_DIGITS)
    for home, iris, images in zip(
        homes, _share(flowers, homes), _share(digits, homes), strict=True
    ):
        if home not in missing:
            continue
        train, test, archive = _files(home)
        with output_errors(home):
            train.parent.mkdir(parents=True, exist_ok=True)
        for path, rows in ((train, iris[0]), (test, iris[1])):
            if not path.exists():
                write_text(path, _to_csv(rows))
        if not archive.exists():
            with open_replacing(archive) as file:
                (x, y), (x_test, y_test) = images
                np.savez(file, x_train=x, y_train=y, x_test=x_test, y_test=y_test)


def _load(name: str) -> _Rows:
    # scikit-learn takes a second to import, and only the first start needs it.
    from sklearn import datasets

    bunch: Any = datasets.load_iris() if name == DEMO_NAME else datasets.load_digits()
    features = bunch.data / 10 if name == DEMO_NAME else bunch.images[..., None] / 16
    return features.astype(np.float32), bunch.target.astype(np.int64)


def _share(rows: _Rows, homes: list[Path]) -> list[tuple[_Rows, _Rows]]:
    """Return each node's rows to train on, and the rows to score with, which all have."""
    features, labels = rows
    order = np.random.default_rng(1).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    scored = np.arange(len(order)) % _TEST_SHARE == 0
    test, train = order[scored], order[~scored]
    dealt = [train[share] for share in deal(labels[train], len(homes))]
    return [((features[r], labels[r]), (features[test], labels[test])) for r in dealt]


def _to_csv(rows: _Rows) -> str:
    lines = [",".join((*_LENGTHS, "species"))]
    for lengths, kind in zip(*rows, strict=True):
        lines.append(",".join([*(f"{length:.2f}" for length in lengths), _SPECIES[kind]]))
    return "\n".join(lines) + "\n"


def _write_policy(path: Path, digest: str) -> None:
    """Write what the demo allows, or bring the digest up to date where nobody changed the rest."""
    with output_errors(path):
        before = path.read_text("utf-8") if path.exists() else None
    wanted = _POLICY.format(digest=digest)
    pattern = re.escape(_POLICY).replace(re.escape("{digest}"), "[0-9a-f]{64}")
    if before is None or (before != wanted and re.fullmatch(pattern, before)):
        write_text(path, wanted)
