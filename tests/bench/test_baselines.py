"""What is reached without federated learning."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression

from fedloom.bench import baselines
from fedloom.bench.baselines import LIMIT_S, measure_baselines
from fedloom.bench.baselines_child import constant_guess, train_alone, train_centrally
from fedloom.bench.study import Study
from fedloom.data import Dataset, Task
from fedloom.experiment import make_plan
from fedloom.experiment.split import split_dataset

pytestmark = pytest.mark.usefixtures("compiled_once")


def labelled(task: Task, train: list[float], test: list[float]) -> Dataset:
    kind: Any = np.int32 if task is Task.CLASSIFICATION else np.float32
    return Dataset(
        "by hand",
        task,
        np.zeros((len(train), 1), np.float32),
        np.array(train, kind),
        np.zeros((len(test), 1), np.float32),
        np.array(test, kind),
        classes=("cat", "dog", "eel") if task is Task.CLASSIFICATION else (),
    )


def study(**options: Any) -> Study:
    plan = {"dataset": "digits", "model": "logistic", "epochs": 2, "learning_rate": 0.3}
    given = {"n_client_instances": (3,), "num_rounds": 4, "strategy": ("FedAdam",), **options}
    return Study(plan=make_plan(plan | given.pop("plan", {})), **given)


def forget() -> None:
    baselines._measure_once.cache_clear()


# --- the constant guess --------------------------------------------------------------------------


def test_the_guess_is_the_largest_class_of_the_training_labels() -> None:
    dataset = labelled(Task.CLASSIFICATION, [0, 1, 1, 2, 1], [0, 0, 1, 2])

    assert constant_guess(dataset) == {"score": 0.25, "guess": "dog"}  # not "cat", twice in test


def test_of_equal_classes_the_first_is_guessed() -> None:
    dataset = labelled(Task.CLASSIFICATION, [2, 0, 2, 0], [2, 0, 0, 0])

    assert constant_guess(dataset) == {"score": 0.75, "guess": "cat"}


def test_a_number_is_guessed_as_the_mean() -> None:
    dataset = labelled(Task.REGRESSION, [1, 3], [0, 4, 5])

    found = constant_guess(dataset)

    # Errors 2, 2, 3: 17/3; about the mean 3: 3, 1, 2: 14/3
    assert found["guess"] == 2.0
    assert found["score"] == pytest.approx(1 - 17 / 14)


def test_labels_without_variance_score_nothing() -> None:
    assert constant_guess(labelled(Task.REGRESSION, [1, 3], [2, 2]))["score"] == 0.0


@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=30), st.lists(st.integers(0, 2), min_size=1)
)
def test_guessing_a_class_is_what_scikit_learn_guesses(train: list[int], test: list[int]) -> None:
    dataset = labelled(Task.CLASSIFICATION, [*train], [*test])
    dummy = DummyClassifier(strategy="most_frequent").fit(np.zeros((len(train), 1)), train)

    expected = dummy.score(np.zeros((len(test), 1)), test)

    assert constant_guess(dataset)["score"] == pytest.approx(expected)


def test_guessing_a_number_is_what_scikit_learn_guesses() -> None:
    dataset = labelled(Task.REGRESSION, [1.5, 2.5, 7.0], [1.0, 2.0, 6.0, 6.5])
    dummy = DummyRegressor().fit(dataset.train_features, dataset.train_labels)

    expected = dummy.score(dataset.test_features, dataset.test_labels)

    assert constant_guess(dataset)["score"] == pytest.approx(expected, abs=1e-6)


# --- training ------------------------------------------------------------------------------------


def test_central_training_is_as_good_as_scikit_learn() -> None:
    plan = study().plan
    data = split_dataset(plan).dataset
    rows = len(data.train_labels)
    oracle = LogisticRegression(C=100.0, max_iter=1000)
    oracle.fit(data.train_features.reshape(rows, -1), data.train_labels)
    expected = oracle.score(data.test_features.reshape(len(data.test_labels), -1), data.test_labels)

    found = train_centrally(plan, epochs=40)

    assert found["score"] == pytest.approx(expected, abs=0.02)
    assert found["loss"] < 0.3


def test_clients_alone_hold_the_shards_of_the_cells() -> None:
    skewed = make_plan({"dataset": "digits", "model": "logistic", "clients": 5,
                        "partition": "label_per_client", "partition_param": 2})  # fmt: skip

    found = train_alone(skewed, epochs=20)

    # Who knows two of ten digits gets at most those right.
    split = split_dataset(skewed)
    for rows, score in zip(split.rows, found["scores"], strict=True):
        known = np.unique(split.dataset.train_labels[rows])
        ceiling = float(np.isin(split.dataset.test_labels, known).mean())
        assert 0.8 * ceiling < score <= ceiling
    assert found["lowest"] == min(found["scores"])
    assert found["score"] == pytest.approx(np.mean(found["scores"]))
    assert found["diverged"] == 0


# --- all of it -----------------------------------------------------------------------------------


def test_what_is_measured_depends_on_neither_backend_nor_strategy() -> None:
    forget()
    federated = {"server_learning_rate": 0.5, "tau": 0.1, "algorithm": "FedAdam"}
    one = study(repeats=2, plan=federated | {"dropout": 0.5, "cohort": 2})

    found = measure_baselines(one, "torch", 3, 2)

    assert (found["backend"], found["clients"], found["repeat"]) == ("torch", 3, 2)
    assert (found["seed"], found["computed_on"], found["epochs"]) == (43, "jax", 8)
    assert (found["task"], found["left_out"]) == ("classification", [])
    assert 0.8 < found["central"]["score"] <= 1
    assert len(found["alone"]["scores"]) == 3  # no cohort, no dropout
    assert 0.08 < found["constant"]["score"] < 0.13
    same = {k: v for k, v in measure_baselines(one, "jax", 3, 2).items() if k != "backend"}
    assert same == {k: v for k, v in found.items() if k != "backend"}
    forget()
    assert measure_baselines(one, "torch", 3, 2) == found


def test_what_takes_too_long_is_left_out() -> None:
    forget()

    found = measure_baselines(study(), "jax", 3, 1, limit_s=0.01)

    assert found["left_out"] == ["what is missing took longer than 0.01 s"]
    assert "central" not in found
    assert LIMIT_S > 60
    assert not [
        child for child in psutil.Process().children() if "baselines" in str(child.cmdline())
    ]


def test_data_that_is_not_there_is_said() -> None:
    forget()

    found = measure_baselines(study(plan={"dataset": "csv:/nowhere.csv"}), "jax", 2, 1)

    (reason,) = found["left_out"]
    assert "nowhere.csv" in reason
    assert "constant" not in found


def test_more_clients_than_rows_leave_the_others() -> None:
    forget()

    found = measure_baselines(study(plan={"sample_size": 20}), "jax", 30, 1)

    assert found["central"]["score"] > 0.2
    (reason,) = found["left_out"]
    assert reason.startswith("alone: ")


def test_a_child_that_dies_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    forget()
    code = "import sys; print('{\"task\": \"x\"}'); print('{\"cen', end=''); sys.exit('no memory')"
    start = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda command, **rest: start([sys.executable, "-c", code], **rest)
    )

    found = measure_baselines(study(), "jax", 3, 1)

    assert found["task"] == "x"
    assert found["left_out"] == ["the baselines ended early: no memory"]
    forget()


def test_the_process_ends_with_whoever_started_it(tmp_path: Path) -> None:
    code = (
        "from fedloom.bench.baselines import measure_baselines\n"
        "from fedloom.bench.study import Study\n"
        "from fedloom.experiment import make_plan\n"
        "plan = make_plan({'dataset': 'digits', 'model': 'cnn', 'epochs': 100000})\n"
        "measure_baselines(Study(n_client_instances=(2,), plan=plan), 'jax', 2, 1)\n"
    )
    launcher = psutil.Popen([sys.executable, "-c", code], cwd=tmp_path)
    try:
        deadline = monotonic() + 60
        while not (children := launcher.children()) and monotonic() < deadline:
            sleep(0.05)
        assert children
        launcher.send_signal(signal.SIGKILL)
        launcher.wait(30)
        _, alive = psutil.wait_procs(children, timeout=60)
        assert not alive
    finally:
        if launcher.poll() is None:
            launcher.kill()
            launcher.wait(30)
