"""Every example and template keeps the whole contract, learns, and packs nothing it should not."""

from __future__ import annotations

import filecmp
import math
from pathlib import Path

import numpy as np
import pytest

from fedloom.package import create_archive, inspect_package

from .trial import EXAMPLES, TEMPLATES, Trial, copy_project

SAME_AS_EXAMPLE = {"iris": "iris", "keras": "keras", "sklearn": "scikit-learn"}
"""Templates that are examples, file by file: `cp -r` one onto the other after a change."""

BY_HAND = ("mnist-pytorch", "scikit-learn")

PROJECTS = sorted(path.parent for path in EXAMPLES.glob("*/client"))
OWN_TEMPLATES = [
    path
    for path in sorted(TEMPLATES.iterdir())
    if (path / "client").is_dir() and path.name not in SAME_AS_EXAMPLE
]
GUESSING = {"iris": (1 / 3, math.inf), "self-supervised": (0.1, 0.0)}
"""Accuracy and loss of a model that knows nothing, where they are not those of ten classes.

The first holder of irises knows of two species more than of the third: its loss alone says little.
"""

LAYOUT = {"README.md", "Dockerfile", "data/README.md", "scripts/walk-through.sh", "client/.ignore"}


def name_of(folder: Path) -> str:
    return folder.name if folder.parent == EXAMPLES else f"template-{folder.name}"


def list_files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".npz", ".pt", ".pyc")
    }


def run_by_hand(trial: Trial) -> None:
    """Run the scripts as the documents say, and see that they take the file they are given."""
    data = next((trial.project.folder / "data" / "clients" / "2").iterdir())
    data = data.rename(data.with_stem("moved"))
    given = ["--data_path", data.relative_to(trial.project.folder).as_posix()]
    trial.python("train.py", "../seed.npz", "../model_update.npz", *given)
    trial.python("validate.py", "../model_update.npz", "../validation.json", *given)
    assert (trial.folder / "model_update.npz-metadata").is_file()
    assert (trial.folder / "validation.json").is_file()


def test_all_that_were_promised_are_there() -> None:
    names = {path.name for path in PROJECTS}
    assert names == {
        *("mnist-pytorch", "keras", "scikit-learn", "flower-client", "self-supervised", "iris")
    }
    assert {path.name for path in OWN_TEMPLATES} | SAME_AS_EXAMPLE.keys() == {
        *("iris", "keras", "pytorch", "sklearn")
    }


@pytest.mark.parametrize("source", [*PROJECTS, *OWN_TEMPLATES], ids=name_of)
def test_a_project_keeps_its_contract_and_learns(source: Path, tmp_path: Path) -> None:
    trial = copy_project(source, tmp_path / "a project", FEDLOOM_NUM_CLIENTS="3")
    clients = trial.project.folder / "data" / "clients"
    assert sorted(path.name for path in clients.iterdir()) == ["1", "2", "3"]

    with np.load(trial.seed) as seed:
        arrays = [seed[str(index)] for index in range(len(seed.files))]
    update = trial.train(trial.seed, {"round": 1})
    metrics = trial.validate(trial.folder / "update.npz")

    assert [w.shape for w in update.weights] == [w.shape for w in arrays]
    assert [w.dtype for w in update.weights] == [w.dtype for w in arrays]
    accuracy, loss = GUESSING.get(source.name, (0.1, math.log(10)))
    assert next(metrics[name] for name in ("test_accuracy", "accuracy") if name in metrics) > (
        1.5 * accuracy
    )
    assert next(metrics[name] for name in ("test_loss", "loss") if name in metrics) < loss

    if source.name in BY_HAND:
        run_by_hand(trial)

    archive = create_archive(trial.project.folder, tmp_path / "package.tgz")
    packed = {file.name for file in archive.files}
    assert packed == {
        name.removeprefix("client/") for name in list_files(source) if name.startswith("client/")
    } - {name for name in packed if name.startswith("data/")}
    assert not inspect_package(archive.path).warnings


@pytest.mark.parametrize("source", [*PROJECTS, *OWN_TEMPLATES], ids=name_of)
def test_a_project_has_the_documented_layout(source: Path) -> None:
    files = list_files(source)
    assert files >= LAYOUT
    assert "client/python_env.yaml" in files
    assert not inspect_package(source / "client").warnings


@pytest.mark.parametrize(("template", "example"), SAME_AS_EXAMPLE.items())
def test_a_template_is_its_example(template: str, example: str) -> None:
    ours, theirs = TEMPLATES / template, EXAMPLES / example
    files = sorted(name for name in list_files(ours) if "data/clients/" not in name)
    assert set(files) == {n for n in list_files(theirs) if "data/clients/" not in n}
    assert filecmp.cmpfiles(ours, theirs, files, shallow=False) == (files, [], [])


def test_what_projects_share_is_the_same_everywhere() -> None:
    keras = EXAMPLES / "keras"
    for source in [EXAMPLES / "self-supervised", EXAMPLES / "flower-client", *OWN_TEMPLATES]:
        for name in ("client/data.py", "client/.ignore", "scripts/walk-through.sh"):
            assert (source / name).read_bytes() == (keras / name).read_bytes(), source / name
