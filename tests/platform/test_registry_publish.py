"""Publishing what a task has learnt: one version, whoever is killed, whatever comes back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fedloom.errors import LinkError, NotFoundError, PackageError, RunFailedError
from fedloom.platform.registry import (
    Registry,
    Version,
    VersionKind,
    delete_version,
    download_package,
    get_lineage,
    get_version,
    list_models,
    load_weights,
    open_registry,
    publish,
    push_package,
)
from fedloom.platform.task import Task

from .registry_world import (
    WEIGHTS,
    copy_template,
    count_versions,
    make_lineage,
    make_package,
    make_task,
    make_template,
)


@pytest.fixture(scope="module")
def pushed_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that has iris version 1; its files lie beside it."""
    folder = tmp_path_factory.mktemp("template")
    template = make_template(folder)
    registry = open_registry(f"sqlite:///{template}", cache=folder / "cache")
    push_package(registry, make_package(folder / "p"), "iris", use_case="irises", description="d")
    return template


@pytest.fixture
def registry(pushed_template: Path, tmp_path: Path) -> Registry:
    url = copy_template(pushed_template, tmp_path)
    return open_registry(url, cache=tmp_path / "cache")


def put(registry: Registry, task: Task, weights: Sequence[np.ndarray] = WEIGHTS) -> Version:
    return publish(
        registry,
        task,
        weights,
        lineage=make_lineage(task),
        metrics={"loss": np.float32(0.5), "worst": float("nan"), "rows": 7},
        records="runs/1",
    )


def test_the_last_aggregate_is_what_is_published(registry: Registry) -> None:
    task = make_task()
    published = put(registry, task)
    assert (published.name, published.version) == ("trained_iris", 1)
    assert published == get_version(registry, "trained_iris", 1)
    read = load_weights(registry, published)
    assert [array.dtype for array in read] == [array.dtype for array in WEIGHTS]
    for array, given in zip(read, WEIGHTS, strict=True):
        assert np.array_equal(array, given)


def test_a_published_version_says_where_it_comes_from(registry: Registry) -> None:
    task = make_task()
    published = put(registry, task)
    assert published.kind is VersionKind.TRAINED
    assert published.parent == ("iris", 1)
    assert (published.task_id, published.rounds, published.num_clients) == (1, 3, 3)
    assert published.records == "runs/1"
    assert published.use_case == "irises"
    assert published.description == "d"
    assert published.tags["trained"] == "True"
    assert get_lineage(registry, published) == make_lineage(task)
    trained = {model.name: model for model in list_models(registry).items}["trained_iris"]
    assert (trained.description, trained.use_case) == ("d", "irises")
    run = registry.client().get_run(published.weights.run_id)  # type: ignore[union-attr]
    assert run.info.run_name == "first"


def test_metrics_and_records_lie_beside_the_weights(registry: Registry, tmp_path: Path) -> None:
    put(registry, make_task())
    [passport] = (tmp_path / "artifacts").rglob("lineage.json")
    content = json.loads(passport.read_text())
    assert content["metrics"] == {"loss": 0.5, "worst": None, "rows": 7}
    assert content["records"] == "runs/1"


def test_it_brings_the_package_that_trained_it(registry: Registry, tmp_path: Path) -> None:
    source = get_version(registry, "iris", 1)
    published = put(registry, make_task())
    assert published.digest == source.digest
    assert published.entry_points == source.entry_points
    delete_version(registry, "iris", 1)
    for path in (tmp_path / "cache").iterdir():
        path.unlink()
    assert download_package(registry, published).is_file()


def test_publishing_twice_is_one_version(registry: Registry) -> None:
    task = make_task()
    assert put(registry, task) == put(registry, task, [array + 1 for array in WEIGHTS])
    assert count_versions(registry, "trained_iris") == 1


def test_each_task_has_a_version_of_its_own(registry: Registry) -> None:
    assert put(registry, make_task(1)).version == 1
    assert put(registry, make_task(2)).version == 2
    # The first task of another database.
    assert put(registry, make_task(1, created_at="2031-01-01T00:00:00Z")).version == 3
    assert put(registry, make_task(1)).version == 1


def test_training_goes_on_under_the_same_name(registry: Registry) -> None:
    put(registry, make_task(1))
    again = put(registry, make_task(2, model_name="trained_iris"))
    assert (again.name, again.version, again.parent) == ("trained_iris", 2, ("trained_iris", 1))
    assert again.digest == get_version(registry, "iris", 1).digest


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_not_published(registry: Registry, value: float) -> None:
    with pytest.raises(RunFailedError, match="task 1: array 1"):
        put(registry, make_task(), [WEIGHTS[0], np.array([1.0, value])])
    assert [model.name for model in list_models(registry).items] == ["iris"]


def test_a_model_that_is_gone_is_named(registry: Registry) -> None:
    with pytest.raises(NotFoundError, match="'iris' has no version 7"):
        put(registry, make_task(model_version=7))
    with pytest.raises(NotFoundError, match="no model 'rose'"):
        put(registry, make_task(model_name="rose"))


def test_a_model_without_a_package_is_refused(registry: Registry) -> None:
    client = registry.client()
    client.create_registered_model("theirs")
    client.create_model_version("theirs", "file:///elsewhere", await_creation_for=0)
    with pytest.raises(PackageError, match="theirs version 1 holds no package"):
        put(registry, make_task(model_name="theirs"))


@pytest.mark.parametrize("fault", ["other bytes", "other weights"])
def test_nothing_is_published_that_does_not_come_back_as_it_was(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    client = registry.client()
    download = client.download_artifacts

    def damage(run_id: str, path: str, to: str) -> str:
        written = Path(download(run_id, path, to))
        if path.endswith("npz"):
            with written.open("ab") as file:
                file.write(b"x")
        return str(written)

    if fault == "other bytes":
        monkeypatch.setattr(client, "download_artifacts", damage)
    else:  # as if the file had been written wrongly in the first place
        from fedloom.platform.registry import publish as module

        write = sys.modules[module.__module__].write_weights  # type: ignore[attr-defined]
        monkeypatch.setattr(
            sys.modules[module.__module__],
            "write_weights",
            lambda file, weights: write(file, [array + 1 for array in weights]),
        )
    with pytest.raises(LinkError, match="gave back another weights"):
        put(registry, make_task())
    monkeypatch.undo()
    assert [model.name for model in list_models(registry).items] == ["iris"]
    assert put(registry, make_task()).version == 1


# Killed in the middle

KILLED = """
import os, sys, traceback
from pathlib import Path

# All is imported once; each attempt is a fork of this process, which has started no thread yet.
from mlflow import MlflowClient
import mlflow.store.tracking.sqlalchemy_store, mlflow.store.model_registry.sqlalchemy_store
from tests_registry_world import WEIGHTS, copy_template, make_lineage, make_task
from fedloom.platform.registry import open_registry, publish, push_package

template, folder = Path(sys.argv[1]), Path(sys.argv[2])
CALLS = ["create_experiment", "create_run", "log_artifact", "download_artifacts",
         "create_registered_model", "set_registered_model_tag", "create_model_version"]

def attempt(place, die_at):
    "Publish; be killed before the call of this number, which is after the one before it."
    count = 0
    def spy(call):
        def spied(*args, **kwargs):
            nonlocal count
            count += 1
            if count == die_at:
                os.kill(os.getpid(), 9)
            return call(*args, **kwargs)
        return spied
    for name in CALLS:
        setattr(MlflowClient, name, spy(getattr(MlflowClient, name)))
    registry = open_registry(f"sqlite:///{place}/mlflow.db", cache=place / "cache")
    task = make_task()
    found = publish(registry, task, WEIGHTS, lineage=make_lineage(task), records="r")
    versions = registry.client().search_model_versions("name = 'trained_iris'")
    trials = registry.client().get_experiment_by_name("trials").experiment_id
    runs = registry.client().search_runs([trials])
    spy(print)(die_at, found.version, len(versions), len(runs), flush=True)

def push(place):
    registry = open_registry(f"sqlite:///{place}/mlflow.db", cache=place / "cache")
    pushed = push_package(registry, place.parent / "package", "rose")
    versions = registry.client().search_model_versions("name = 'rose'")
    print(pushed.version, len(versions), flush=True)

def fork(*arguments):
    child = os.fork()
    if child == 0:
        try:
            push(arguments[0]) if arguments[1] is None else attempt(*arguments)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child

def end(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

mode = sys.argv[3]
if mode == "kill":
    for die_at in range(1, 100):
        place = folder / str(die_at)
        copy_template(template, place)
        code = end(fork(place, die_at))
        if code == 0:
            sys.exit(0)  # there was no such call: this one ran through
        assert code == -9, code
        assert end(fork(place, 0)) == 0
else:
    copy_template(template, folder)
    children = [fork(folder, 0 if mode == "publish" else None) for _ in range(4)]
    assert [end(child) for child in children] == [0, 0, 0, 0]
"""


def run_forks(template: Path, folder: Path, mode: str) -> list[list[str]]:
    folder.mkdir(exist_ok=True)
    world = Path(__file__).with_name("registry_world.py").read_text()
    (folder / "tests_registry_world.py").write_text(world)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(template), str(folder / "work"), mode],
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=240,
        check=False,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [line.split() for line in done.stdout.splitlines()]


def test_killed_anywhere_it_is_one_version_in_the_end(
    pushed_template: Path, tmp_path: Path
) -> None:
    lines = run_forks(pushed_template, tmp_path, "kill")
    stages = lines[:-1]  # the last one ran through
    assert len(stages) >= 9, "experiment, run, two files and back, model, version, the end"
    for _, version, versions, runs in stages:
        assert (version, versions, runs) == ("1", "1", "1")


def test_processes_that_publish_one_task_at_once_make_one_version(
    pushed_template: Path, tmp_path: Path
) -> None:
    lines = run_forks(pushed_template, tmp_path, "publish")
    assert [line[1:] for line in lines] == [["1", "1", "1"]] * 4


def test_processes_that_push_one_package_at_once_make_one_version(
    pushed_template: Path, tmp_path: Path
) -> None:
    make_package(tmp_path / "package")
    lines = run_forks(pushed_template, tmp_path, "push")
    assert lines == [["1", "1"]] * 4
