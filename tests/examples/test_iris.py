"""Irises: an aggregation of its own helps three holders who differ."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fedloom.package import write_input

from .trial import EXAMPLES, Trial, copy_project

SOURCE = EXAMPLES / "iris"
ROUNDS = 2

Updates = list[dict[str, Any]]
Aggregate = Callable[[list[np.ndarray], Updates], list[np.ndarray]]

aggregate: Aggregate = runpy.run_path(str(SOURCE / "client" / "server.py"))["aggregate"]


def average_by_rows(weights: list[np.ndarray], updates: Updates) -> list[np.ndarray]:
    rows = np.array([update["num_examples"] for update in updates], np.float32)
    shares = rows / rows.sum()
    arrays = zip(*(update["weights"] for update in updates), strict=True)
    return [sum(s * a for s, a in zip(shares, group, strict=True)) for group in arrays]


def train_together(trial: Trial, combine: Aggregate) -> dict[str, float]:
    with np.load(trial.seed) as seed:
        weights = [seed["0"], seed["1"]]
    model = trial.folder / "model.npz"
    for _ in range(ROUNDS):
        updates: Updates = []
        for client in (1, 2, 3):
            write_input(weights, {}, model)
            data = f"data/clients/{client}/iris.npz"
            own = Trial(trial.folder, trial.project, {"SCALEOUT_DATA_PATH": data})
            update = own.train(model)
            updates.append({"weights": update.weights, "num_examples": update.num_examples})
        assert [update["num_examples"] for update in updates] == [72, 18, 30]
        weights = combine(weights, updates)
    write_input(weights, {}, model)
    return trial.validate(model)


def test_four_times_the_rows_count_twice() -> None:
    start = [np.zeros((1, 2), np.float32), np.zeros(1, np.float32)]
    updates: Updates = [
        {"weights": [np.full((1, 2), 3, np.float32), np.ones(1, np.float32)], "num_examples": 40},
        {"weights": [np.zeros((1, 2), np.float32), np.ones(1, np.float32)], "num_examples": 10},
    ]
    kernel, bias = aggregate(start, updates)
    np.testing.assert_allclose(kernel, [[2, 2]])
    np.testing.assert_allclose(bias, [1])
    assert kernel.dtype == bias.dtype == np.float32


def test_it_helps_those_who_hold_few(tmp_path: Path) -> None:
    trial = copy_project(SOURCE, tmp_path / "project")
    by_rows = train_together(trial, average_by_rows)
    by_roots = train_together(trial, aggregate)
    assert by_roots["test_accuracy"] > 0.5
    assert by_roots["test_loss"] < by_rows["test_loss"]
