"""What a study does without being told: all four strategies learn the demo."""

from __future__ import annotations

import pytest

import fedloom
from fedloom.bench.study_file import make_study


def test_all_strategies_end_within_five_points_of_the_mean():
    # A cell gives what a simulation of its plan gives; test_bench_cells.py holds it to that.
    study = make_study({"n_client_instances": [5]})
    scores = {}
    for cell in study.cells():
        run = fedloom.simulate(plan=study.plan_of(cell), weights="none")
        scores[cell.strategy] = run.rounds["global_score"].to_list()[-1]
    assert len(scores) == 4
    assert scores["FedAvg"] > 0.9
    for score in scores.values():
        assert score >= scores["FedAvg"] - 0.05
    assert scores["FedAvgM"] != pytest.approx(scores["FedAvg"], abs=1e-6)
