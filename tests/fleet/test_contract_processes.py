"""The process fleet gives what a lane gives; a process takes seconds to start, so few cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from fedloom.data.dataset import Task
from fedloom.federation.fleet import Failure, LocalEvaluation
from fedloom.federation.reduce import krum, median

from .worlds import World, assert_same_story, run

REGRESSION = World(
    model="logistic",
    hidden=None,
    task=Task.REGRESSION,
    learning_rate=0.02,
    optimizer="adam",
    algorithm="FedProx",
    sizes=(13, 1, 20),
    poisoned=(2,),
)
CNN = World(model="cnn", learning_rate=0.05, optimizer="momentum", sizes=(9, 16))


def tell(world: World, story: Callable[[Any], Any]) -> Iterator[Any]:
    """Tell one story with each fleet."""
    for build in (world.processes, world.simulated):
        with closing(build()) as fleet:
            yield story(fleet)


def test_scaffold_with_batch_statistics_dropout_and_memory(user_model):
    world = World(model=str(user_model), hidden=None, algorithm="Scaffold", sizes=(13, 1, 20))
    plain = world.build_algorithm()

    def story(fleet):
        first = run(fleet, world, rounds=1)
        saved = fleet.save()
        second = run(fleet, world, rounds=2, after=first.state)
        fleet.load({name: np.array(array) for name, array in saved.items()})
        again = run(fleet, world, rounds=2, after=first.state)
        assert_same_story(again, second, tolerance=0)
        kept = [
            run(fleet, world, rounds=1, algorithm=replace(plain, reducer=reducer))
            for reducer in (median(), krum(0))
        ]
        return [first, second, *kept]

    for ours, theirs in zip(*tell(world, story), strict=True):
        assert_same_story(ours, theirs, tolerance=5e-5)


def test_regression_with_a_client_that_diverges():
    def story(fleet):
        return run(fleet, REGRESSION, rounds=2, local_evaluation=LocalEvaluation.SAMPLE)

    ours, theirs = tell(REGRESSION, story)
    assert_same_story(ours, theirs)
    assert [r.failure for r in ours.outcomes[1].results] == [None, None, Failure.DIVERGED]
    assert ours.outcomes[0].results[0].local_score != ours.outcomes[1].results[0].local_score


def test_convolutions_and_clipped_updates():
    algorithm = CNN.build_algorithm("DPFedAvg")

    def story(fleet):
        return run(
            fleet,
            CNN,
            rounds=2,
            algorithm=algorithm,
            local_evaluation=LocalEvaluation.NONE,
            keep=False,
        )

    ours, theirs = tell(CNN, story)
    assert_same_story(ours, theirs, tolerance=5e-5)
    assert ours.kept == {}
    assert ours.outcomes[0].results[0].local_score is None
