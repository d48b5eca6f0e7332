"""Every part is killed at every stage of a task: nothing is lost, and the next task works.

The default suite takes a sample; ``make chaos`` sets FEDLOOM_CHAOS and takes the whole matrix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product

import pytest

from fedloom.platform.task import TaskStatus

from .chaos_world import ROUNDS, Stage, Victim, World
from .own_servers import OwnPostgresql, OwnRabbitmq

SAMPLE = [
    (Victim.COORDINATOR, Stage.TRAINING),
    (Victim.POSTGRESQL, Stage.UPLOADING),
    (Victim.CLIENT, Stage.BETWEEN_ROUNDS),
]
CASES = list(product(Victim, Stage)) if os.environ.get("FEDLOOM_CHAOS") else SAMPLE


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if not OwnPostgresql.programs or not OwnRabbitmq.programs:
        pytest.skip("no PostgreSQL or no RabbitMQ to start and kill: install both")
    with World(tmp_path_factory.mktemp("chaos")) as world:
        yield world


@pytest.mark.parametrize(("victim", "stage"), CASES)
def test_a_kill_loses_nothing(world: World, victim: Victim, stage: Stage) -> None:
    marks = world.mark()
    task = world.ask()
    world.reach(stage, task, marks)
    world.kill(victim)
    ended = world.wait(task.id)
    rounds = world.rounds(task.id)
    assert rounds == list(range(1, len(rounds) + 1)), "a round was lost or counted twice"
    if ended.status is TaskStatus.SUCCESS:
        assert len(rounds) == ROUNDS
        assert ended.result_version is not None
    else:
        assert ended.status is TaskStatus.FAILED
        assert ended.reason
    after = world.wait(world.ask().id)
    assert after.status is TaskStatus.SUCCESS, f"{after.reason}\n{world.tell()}"
    assert world.rounds(after.id) == list(range(1, ROUNDS + 1))
