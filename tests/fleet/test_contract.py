"""Every fleet gives the same for the same orders: lanes here, processes in the file beside."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from fedloom.data.dataset import Task
from fedloom.federation.fleet import Failure, LocalEvaluation

from .worlds import ONE_LANE, TWO_BY_THREE, TWO_LANES, Story, World, assert_same_story, run

REGRESSION = World(
    model="logistic",
    hidden=None,
    task=Task.REGRESSION,
    learning_rate=0.02,
    optimizer="adam",
    algorithm="FedProx",
    poisoned=(2,),
)
CASES = {
    "mlp": (World(), ["FedAvg", "FedMedian", "Krum", "DPFedAvg"]),
    "scaffold": (World(algorithm="Scaffold"), ["Scaffold"]),
    "cnn": (World(model="cnn", learning_rate=0.05, optimizer="momentum"), ["FedAvg"]),
    "noisy": (World(model="user", hidden=None, algorithm="Scaffold"), ["Scaffold"]),
    "regression": (REGRESSION, ["FedProx"]),
}
HOW = {
    "FedAvg": {"cohort": 5},
    "FedMedian": {"local_evaluation": LocalEvaluation.SAMPLE, "keep": False},
    "Krum": {"local_evaluation": LocalEvaluation.NONE},
    "DPFedAvg": {"local_evaluation": LocalEvaluation.NONE, "keep": False},
    "FedProx": {"local_evaluation": LocalEvaluation.SAMPLE},
    "Scaffold": {"cohort": 4},
}
COMPARED = [
    *((case, TWO_BY_THREE) for case in CASES),
    *((case, TWO_LANES) for case in ("mlp", "noisy")),
]


@pytest.fixture(scope="module")
def one_lane() -> dict[str, dict[str, Story]]:
    """What a single lane told, by case and algorithm."""
    return {}


def tell(case: str, layout: tuple[int, int], user_model: Path) -> dict[str, Story]:
    world, algorithms = CASES[case]
    if world.model == "user":
        world = world.with_(model=str(user_model))
    with closing(world.simulated(*layout)) as fleet:
        return {
            name: run(fleet, world, algorithm=world.build_algorithm(name), **HOW[name])
            for name in algorithms
        }


@pytest.mark.parametrize(("case", "layout"), COMPARED)
def test_all_lanes_give_what_one_lane_gives(case, layout, one_lane, user_model):
    if case not in one_lane:
        one_lane[case] = tell(case, ONE_LANE, user_model)
    stories = tell(case, layout, user_model)
    for name, story in stories.items():
        assert_same_story(story, one_lane[case][name])
        moved = [
            not np.array_equal(a, b)
            for a, b in zip(story.state.weights, story.outcomes[0].state.weights, strict=True)
        ]
        assert any(moved)


def test_a_fleet_goes_on_from_what_it_saved():
    world = World(model="logistic", hidden=None, algorithm="Scaffold")
    with closing(world.simulated(*TWO_BY_THREE)) as fleet:
        first = run(fleet, world, rounds=1)
        saved = {name: np.array(array) for name, array in fleet.save().items()}
        expected = run(fleet, world, rounds=3, after=first.state)
        fleet.load(saved)
        assert_same_story(run(fleet, world, rounds=3, after=first.state), expected, tolerance=0)
        fleet.load({})
        forgetful = run(fleet, world, rounds=3, after=first.state)
    assert len(saved) == len(world.sizes) * 2
    assert not np.allclose(forgetful.state.weights[0], expected.state.weights[0], atol=1e-4)


@pytest.mark.parametrize("layout", [ONE_LANE, TWO_BY_THREE])
def test_a_client_that_diverges_leaves_the_others_alone(layout):
    clean = World(model="logistic", hidden=None)
    with closing(clean.simulated(*layout)) as fleet:
        expected = run(fleet, clean, rounds=1)
    world = clean.with_(poisoned=(2,))
    with closing(world.simulated(*layout)) as fleet:
        story = run(fleet, world, rounds=1)
    failed = story.outcomes[0].results[2]
    assert failed.failure is Failure.DIVERGED
    assert "no longer finite" in failed.failure_detail
    assert (failed.divergence, failed.local_loss, failed.local_score) == (None, None, None)
    assert story.outcomes[0].participants == [0, 1, 3, 4, 5]
    assert (1, 2) not in story.kept
    for place, weights in story.kept.items():
        for ours, theirs in zip(weights, expected.kept[place], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
    assert all(np.isfinite(w).all() for w in story.state.weights)


def test_where_all_diverge_the_weights_stay():
    world = World(learning_rate=1e30)
    with closing(world.simulated(2)) as fleet:
        story = run(fleet, world, rounds=1)
        start = fleet._trainer.initial_weights
    assert {r.failure for r in story.outcomes[0].results} == {Failure.DIVERGED}
    assert story.kept == {}
    for ours, theirs in zip(story.state.weights, start, strict=True):
        np.testing.assert_array_equal(ours, theirs)
