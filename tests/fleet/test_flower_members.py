"""Nodes that die, come, come back, or do not belong: real SuperLink, nodes as processes."""

from __future__ import annotations

import signal
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedloom.errors import RunFailedError
from fedloom.federation.fleet import Failure
from fedloom.fleet.flower.codec import PROTOCOL, describe_version
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


def test_a_node_that_dies_and_comes_back_is_asked_again(world):
    """Its order was handed out, and is lost with it: nobody but the node can know."""
    with world.fleet({"b": {"die_once": True}}) as fleet, ThreadPoolExecutor(1) as thread:
        fleet.wait_for(2, 60)
        training = thread.submit(fleet.train, order([0, 1]), REDUCER)
        wait_until(lambda: world.nodes["b"].poll() is not None)
        world.start("b", 3)
        assert failures(training.result(timeout=60)) == [None, None]


def test_a_node_that_is_killed_is_lost_and_comes_back_in_the_next_round(world):
    with world.fleet({"b": {"sleep": 30}}) as fleet, ThreadPoolExecutor(1) as thread:
        fleet.wait_for(2, 60)
        training = thread.submit(fleet.train, order([0, 1], 43), REDUCER)
        wait_until(lambda: "train 43" in world.events("b"))
        world.kill("b")
        reply = training.result(timeout=60)
        assert failures(reply) == [None, Failure.LOST]
        assert reply.results[1].failure_detail == "the node is offline"
        assert fleet.choose(7, 2)(1, []) == [0]
        wait_until(lambda: failures(fleet.train(order([1]), REDUCER)) == [Failure.UNAVAILABLE])
        key = (world.folder / "b.key").read_bytes()
        world.start("b", 3)
        wait_until(lambda: fleet.online() == [0, 1])
        assert len(fleet.clients()) == 2
        assert (world.folder / "b.key").read_bytes() == key
        assert stat.S_IMODE((world.folder / "b.key").stat().st_mode) == 0o600


def test_a_late_joiner_is_among_the_clients_from_then_on(world):
    with world.fleet() as fleet:
        fleet.wait_for(2, 60)
        fleet.train(order([0, 1], 1), REDUCER)
        world.start("c", 4)

        def joined() -> bool:
            fleet.train(order([0, 1], 2), REDUCER)
            return len(fleet.clients()) == 3

        wait_until(joined)
        reply = fleet.train(order([0, 1, 2], 3), REDUCER)
        assert failures(reply) == [None] * 3
        assert mean_of(reply) == pytest.approx((1 + 9 + 16) / 8)
        saved = fleet.save()
    world.nodes["c"].send_signal(signal.SIGTERM)
    world.nodes.pop("c").wait(timeout=20)
    assert world.events("c")[-1] == "close"
    with world.fleet() as fleet:
        fleet.load(saved)
        fleet.wait_for(2, 60)
        assert [c.client_id for c in fleet.clients()] == ["a", "b", "c"]
        wait_until(lambda: fleet.online() == [0, 1])


def refusal(fleet):
    """Return why a task with three clients cannot begin, as soon as both good ones are there."""
    wait_until(lambda: fleet.present() == 2 and fleet.refusals(), 60)
    with pytest.raises(RunFailedError) as refused:
        fleet.wait_for(3, 0.1)
    return str(refused.value)


def test_another_version_is_refused_and_both_are_named(world):
    world.start("new", 4, str(PROTOCOL + 1), "9.8.7")
    try:
        with world.fleet() as fleet:
            text = refusal(fleet)
    finally:
        world.kill("new")
    theirs, ours = f"Fedloom 9.8.7 (protocol {PROTOCOL + 1})", describe_version()
    assert f"{theirs} does not understand {ours};" in text


def test_somebody_elses_name_is_not_given_away(world):
    stranger = ToyWorld(world.link, world.folder / "stranger")
    stranger.folder.mkdir()
    stranger.start("a", 100)
    try:
        with world.fleet() as fleet:
            assert "another node is called" in refusal(fleet)
    finally:
        stranger.kill("a")
