"""A SuperLink that dies, stays away or loses a run: killed for real, with nodes as processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import psutil
import pytest

from fedloom.fleet.flower.channel import stop_run
from fedloom.fleet.flower.letters import Patience
from fedloom.fleet.flower.superlink import SuperLink

from .flower_world import REDUCER, ToyWorld, failures, mean_of, order, wait_until


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyWorld]:
    folder = tmp_path_factory.mktemp("toys")
    world = ToyWorld(SuperLink(folder / "superlink").start(), folder)
    for name, rows in (("a", 1), ("b", 3)):
        world.start(name, rows)
    yield world
    world.close()


def test_a_superlink_that_is_killed_mid_round_loses_nothing(world):
    with world.fleet({"b": {"sleep": 6}}) as fleet, ThreadPoolExecutor(1) as thread:
        fleet.wait_for(2, 60)
        training = thread.submit(fleet.train, order([0, 1], 44, deadline_s=120), REDUCER)
        wait_until(lambda: "train 44" in world.events("b"))
        world.link.kill()
        sleep(2.0)
        world.link.start()
        reply = training.result(timeout=100)
        assert failures(reply) == [None, None]
        assert mean_of(reply) == 2.5
        assert world.events("b").count("train 44") == 1
        assert mean_of(fleet.train(order([0, 1], 45), REDUCER)) == 2.5


def test_a_run_that_was_taken_away_is_replaced(world):
    """As after an outage of more than a minute, when the claim has ended."""
    with world.fleet({"b": {"sleep": 4}}) as fleet, ThreadPoolExecutor(1) as thread:
        fleet.wait_for(2, 60)
        training = thread.submit(fleet.train, order([0, 1], 46), REDUCER)
        wait_until(lambda: "train 46" in world.events("b"))
        lost = fleet.run_id
        stop_run(world.link.endpoint, lost)
        assert failures(training.result(timeout=60)) == [None, None]
        assert fleet.run_id != lost
        assert world.events("b").count("train 46") == 1


def test_a_superlink_that_stays_away_ends_the_round_with_a_reason(world):
    from fedloom.errors import LinkError

    patience = Patience(outage_s=2.0)
    with world.fleet(patience=patience) as fleet:
        fleet.wait_for(2, 60)
        world.link.kill()
        with pytest.raises(LinkError, match="given up after"):
            fleet.train(order([0, 1]), REDUCER)
    world.link.start()


def test_a_superlink_ends_with_whoever_started_it(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from fedloom.fleet.flower.superlink import SuperLink\n"
        "link = SuperLink(Path(sys.argv[1])).start()\n"
        "print(link.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait(timeout=10)
    parent.stdout.close()
    child.wait(timeout=20)
