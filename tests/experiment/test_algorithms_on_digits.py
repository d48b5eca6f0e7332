"""Every named algorithm, with its defaults, learns digits about as well as FedAvg does."""

from __future__ import annotations

import pytest

import fedloom
from fedloom.federation.algorithm import algorithm_names


def score(algorithm: str) -> float:
    run = fedloom.simulate(algorithm=algorithm, local_evaluation="none", weights="none")
    assert (run.plan.dataset, run.plan.clients, run.plan.rounds) == ("digits", 20, 5)
    return float(run.rounds["global_score"][-1])


@pytest.fixture(scope="module")
def fedavg() -> float:
    return score("FedAvg")


def test_the_default_run_learns(fedavg: float) -> None:
    assert fedavg > 0.9


@pytest.mark.parametrize("name", [name for name in algorithm_names() if name != "FedAvg"])
def test_defaults_reach_nine_tenths_of_fedavg(name: str, fedavg: float) -> None:
    assert score(name) >= 0.9 * fedavg
