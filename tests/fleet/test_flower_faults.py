"""Clients that answer nonsense, hang or are too few: real SuperLink, nodes as processes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import numpy as np
import pytest

from fedloom.errors import RunFailedError
from fedloom.federation.fleet import Evaluation, Failure
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower.round import Quorum
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


def test_two_rounds_weigh_by_rows_and_report(world):
    with world.fleet() as fleet:
        assert [c.num_examples for c in fleet.wait_for(2, 60)] == [1, 3]
        assert dict(fleet.attributes(1)) == {"toy": True}
        for number in (1, 2):
            reply = fleet.train(order([0, 1], number), REDUCER)
            assert failures(reply) == [None, None]
            assert mean_of(reply) == pytest.approx((1 * 1 + 3 * 3) / 4)
        assert reply.results[0].train_loss == 1.5
        score = fleet.evaluate([np.full((3, 2), 2.0, np.float32)])
        assert score == Evaluation(2.0, pytest.approx((1 * 0.1 + 3 * 0.3) / 4))
        reports = fleet.take_reports()
        assert [(r.client_id, r.num_examples, r.document) for r in reports] == [
            ("a", 1, {"a": [1]}),
            ("b", 3, {"a": [1]}),
        ]
        assert reports[0].metadata == {"loss": 1.5, "who": "a"}
    wait_until(lambda: "forget task1" in world.events("a"))


@pytest.mark.parametrize(
    ("told", "failure", "detail"),
    [
        ({"shape": True}, Failure.REJECTED, "array 0 has shape (5,) instead of (3, 2)"),
        ({"count": 0}, Failure.REJECTED, "num_examples=0: a whole number of at least 1"),
        ({"count": "3"}, Failure.REJECTED, "num_examples='3'"),
        ({"count": True}, Failure.REJECTED, "num_examples=True"),
        ({"nan": True}, Failure.DIVERGED, "no longer finite"),
        ({"unsendable": "metrics"}, Failure.ERROR, "cannot be sent: TypeError: Object of type Toy"),
        ({"unsendable": "arrays"}, Failure.ERROR, "its answer cannot be sent: TypeError"),
        ({"raise": True}, Failure.ERROR, "ValueError: no rows for me"),
    ],
)
def test_nonsense_is_that_clients_failure_and_the_round_goes_on(world, told, failure, detail):
    with world.fleet({"b": told}) as fleet:
        fleet.wait_for(2, 60)
        reply = fleet.train(order([0, 1]), REDUCER)
    assert failures(reply) == [None, failure]
    assert detail in reply.results[1].failure_detail
    assert mean_of(reply) == 1.0


def test_whoever_hangs_is_dropped_at_the_deadline_and_told_to_stop(world):
    with world.fleet({"b": {"sleep": 60}}) as fleet:
        fleet.wait_for(2, 60)
        began = monotonic()
        reply = fleet.train(order([0, 1], 41, deadline_s=3.0), REDUCER)
        assert 3.0 <= monotonic() - began < 40.0
        assert failures(reply) == [None, Failure.TIMEOUT]
        wait_until(lambda: "stopped 41" in world.events("b"), 40.0)


def test_stragglers_are_dropped_once_the_quorum_has_answered(world):
    quorum = Quorum(minimum=1, share=0.5, grace_s=0.5)
    with world.fleet({"b": {"sleep": 60}}, quorum=quorum) as fleet:
        fleet.wait_for(2, 60)
        began = monotonic()
        reply = fleet.train(order([0, 1]), REDUCER)
        assert monotonic() - began < 40.0
    assert failures(reply) == [None, Failure.STRAGGLER]
    assert "1 of 2 had answered" in reply.results[1].failure_detail


def test_too_few_updates_end_the_run_and_say_why(world):
    told = {"a": {"raise": True}, "b": {"shape": True}}
    with world.fleet(told, quorum=Quorum(minimum=2)) as fleet:
        fleet.wait_for(2, 60)
        with pytest.raises(RunFailedError, match=r"0 of 2 clients .* 2 are needed; a error: Val"):
            fleet.train(order([0, 1]), REDUCER)


def test_cancel_reaches_the_nodes_within_seconds(world):
    settings = {name: {"sleep": 60} for name in "ab"}
    with world.fleet(settings) as fleet, ThreadPoolExecutor(1) as thread:
        fleet.wait_for(2, 60)
        training = thread.submit(fleet.train, order([0, 1], 42), REDUCER)
        wait_until(lambda: all("train 42" in world.events(name) for name in "ab"))
        began = monotonic()
        fleet.cancel()
        reply = training.result(timeout=40)
        assert failures(reply) == [Failure.TIMEOUT] * 2
        wait_until(lambda: all("stopped 42" in world.events(name) for name in "ab"), 40.0)
        assert monotonic() - began < 40.0


def test_a_sink_that_fails_ends_the_round_and_leaves_nobody_at_work(world):
    def sink(client: int, weights: list[np.ndarray]) -> None:
        raise OSError("disk full")

    with world.fleet({"b": {"sleep": 60}}) as fleet:
        fleet.wait_for(2, 60)
        with pytest.raises(OSError, match="disk full"):
            fleet.train(order([0, 1], 48, sink=sink), REDUCER)
        wait_until(lambda: "stopped 48" in world.events("b"), 40.0)


def test_the_next_task_works_after_all_that(world):
    with world.fleet() as fleet:
        fleet.wait_for(2, 60)
        assert mean_of(fleet.train(order([0, 1]), REDUCER)) == 2.5


def test_two_tasks_at_once_do_not_meet(world):
    with world.fleet() as one, world.fleet() as other, ThreadPoolExecutor(2) as threads:
        one.wait_for(2, 60)
        other.wait_for(2, 60)
        assert one.run_id != other.run_id
        at_once = [threads.submit(f.train, order([0, 1]), REDUCER) for f in (one, other)]
        assert [mean_of(f.result(timeout=60)) for f in at_once] == [2.5, 2.5]


def test_what_an_algorithm_remembers_comes_back_from_the_nodes(world):
    memory = ClientMemory([np.zeros(2, np.float32)])
    with world.fleet(memory=memory) as fleet:
        fleet.wait_for(2, 60)
        for number in (1, 2):
            reply = fleet.train(order([0, 1], number), REDUCER)
        np.testing.assert_array_equal(memory.recall(1)[0], [2.0, 2.0])
        np.testing.assert_allclose(REDUCER.finish(reply.drift)[0], [1.0, 1.0])
        saved = fleet.save()
        fleet.train(order([0, 1], 3), REDUCER)
        fleet.load(saved)
        np.testing.assert_array_equal(memory.recall(1)[0], [2.0, 2.0])
