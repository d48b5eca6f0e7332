"""A task's runs in MLflow: by round, by client, gone on with after a crash."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedloom.errors import ConflictError
from fedloom.platform.registry import Registry, open_registry, open_task_runs
from fedloom.platform.registry.metrics import make_metrics
from fedloom.platform.task import Task, TaskStatus

from .registry_world import copy_template, make_task, make_template

AT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Registry:
    return open_registry(copy_template(template, tmp_path), cache=tmp_path / "cache")


def list_runs(registry: Registry, task: Task) -> dict[str, Any]:
    client = registry.client()
    experiment = client.get_experiment_by_name(task.experiment_name)
    runs = client.search_runs([experiment.experiment_id])
    names = [run.info.run_name for run in runs]
    assert len(names) == len(set(names)), "a run is there twice"
    return {run.info.run_name: run for run in runs}


def steps(registry: Registry, run: Any, metric: str) -> list[tuple[int, float]]:
    history = registry.client().get_metric_history(run.info.run_id, metric)
    return sorted((found.step, found.value) for found in history)


def test_a_task_has_a_run_with_one_for_the_whole_and_each_client(registry: Registry) -> None:
    task = make_task()
    runs = open_task_runs(registry, task)
    for number in (1, 2):
        clients = {f"node-{k}": {"loss": number / (k + 1), "note": "text"} for k in range(3)}
        runs.log_round(number, {"loss": 1 / number}, clients, at=AT)
    runs.end(TaskStatus.SUCCESS)
    found = list_runs(registry, task)
    assert set(found) == {"first", "global", "node-0", "node-1", "node-2"}
    parent = found["first"]
    assert parent.data.params["model_name"] == "iris"
    assert parent.data.params["num_global_iterations"] == "3"
    for name, run in found.items():
        assert run.info.status == "FINISHED"
        if name != "first":
            assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert steps(registry, found["global"], "loss") == [(1, 1.0), (2, 0.5)]
    assert steps(registry, found["node-1"], "loss") == [(1, 0.5), (2, 1.0)]
    assert "note" not in found["node-1"].data.metrics


def test_rounds_are_gone_on_with_and_never_doubled(registry: Registry) -> None:
    task = make_task()
    first = open_task_runs(registry, task)
    assert first.last_round == 0
    first.log_round(1, {"loss": 1.0}, {"a": {"loss": 1.0}})
    # Killed in round 2 after the clients' numbers and before those of the whole.
    first._log("a", 2, {"loss": 2.0}, AT)
    second = open_task_runs(registry, task)
    assert second.parent_id == first.parent_id
    assert second.last_round == 1
    for number in (1, 2, 3):
        second.log_round(number, {"loss": number}, {"a": {"loss": number}})
    found = list_runs(registry, task)
    expected = [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert steps(registry, found["global"], "loss") == expected
    assert steps(registry, found["a"], "loss") == expected
    assert open_task_runs(registry, task).last_round == 3


def test_runs_that_were_ended_are_open_again_when_the_task_goes_on(registry: Registry) -> None:
    task = make_task()
    runs = open_task_runs(registry, task)
    runs.log_round(1, {}, {"a": {}})
    for status, named in ((TaskStatus.FAILED, "FAILED"), (TaskStatus.CANCELLED, "KILLED")):
        runs.end(status)
        assert {run.info.status for run in list_runs(registry, task).values()} == {named}
        runs = open_task_runs(registry, task)
        assert {run.info.status for run in list_runs(registry, task).values()} == {"RUNNING"}


def test_a_client_may_be_named_as_the_whole_is(registry: Registry) -> None:
    task = make_task()
    runs = open_task_runs(registry, task)
    runs.log_round(1, {"loss": 1.0}, {"global": {"loss": 2.0}})
    again = open_task_runs(registry, task)
    assert again.last_round == 1
    assert len(again._children) == 2


def test_tasks_of_one_name_have_runs_of_their_own(registry: Registry) -> None:
    first, second = (open_task_runs(registry, make_task(number)) for number in (1, 2))
    first.log_round(1, {"loss": 1.0})
    assert first.parent_id != second.parent_id
    assert second.last_round == 0


def test_more_metrics_than_mlflow_takes_at_once(registry: Registry) -> None:
    task = make_task()
    runs = open_task_runs(registry, task)
    runs.log_round(1, {f"metric-{number}": number for number in range(2500)})
    found = list_runs(registry, task)["global"]
    assert len(found.data.metrics) == 2501
    assert open_task_runs(registry, task).last_round == 1


def test_the_experiment_that_is_always_there_keeps_its_files_beside_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow would keep them in the current folder."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    url = f"sqlite:///{tmp_path}/registry/mlflow.db"
    registry = open_registry(url, cache=tmp_path / "cache")
    runs = open_task_runs(registry, make_task(experiment_name="Default"))
    artifacts = registry.client().get_run(runs.parent_id).info.artifact_uri
    assert artifacts.startswith((tmp_path / "registry" / "artifacts").as_uri())
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_deleted_experiment_is_named(registry: Registry) -> None:
    task = make_task()
    open_task_runs(registry, task)
    client = registry.client()
    client.delete_experiment(client.get_experiment_by_name("trials").experiment_id)
    with pytest.raises(ConflictError, match="'trials' was deleted"):
        open_task_runs(registry, task)


# Names and values of metrics

VALUES = st.one_of(st.floats(), st.integers(), st.booleans(), st.text(max_size=5), st.none())


@given(st.dictionaries(st.text(max_size=300), VALUES, max_size=10), st.integers(1, 10**6))
def test_mlflow_takes_every_metric_that_we_make(metrics: dict[str, Any], number: int) -> None:
    from mlflow.utils.validation import _validate_metric, _validate_metric_name

    made = make_metrics(metrics, number, AT)
    for metric in made:
        _validate_metric_name(metric.key)
        _validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
    assert len({metric.key for metric in made}) == len(made)
    assert (made[-1].key, made[-1].value) == ("round", float(number))


def test_numbers_of_numpy_are_numbers_and_arrays_are_not() -> None:
    made = make_metrics(
        {"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.ones(2), "e": "1"},
        1,
        AT,
    )
    assert {metric.key: metric.value for metric in made} == {
        "a": 0.5,
        "b": 3.0,
        "c": 1.0,
        "round": 1.0,
    }
