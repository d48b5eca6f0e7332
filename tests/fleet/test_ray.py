"""The Ray fleet gives what lanes of one process give, whatever happens to its workers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from threading import Thread
from time import monotonic, sleep
from typing import Any

import numpy as np
import psutil
import pytest

from fedloom.data.dataset import Task
from fedloom.errors import LinkError, MissingExtraError
from fedloom.federation.fleet import Failure, LocalEvaluation
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.ray import RayFleet, crew, installed, probe
from fedloom.fleet.ray.connection import Connection, find_address
from fedloom.fleet.ray.session import list_session

from . import ray_world as harm
from .ray_world import open_fleet, with_harm
from .worlds import World, assert_same_story, run

REGRESSION = World(
    model="logistic",
    hidden=None,
    task=Task.REGRESSION,
    learning_rate=0.02,
    optimizer="adam",
    algorithm="FedProx",
    poisoned=(2,),
)
PLAIN = World(model="logistic", hidden=None)


@pytest.fixture(scope="module")
def cluster(compiled_once) -> Iterator[Connection]:
    """One cluster for all fleets of this module, as fleets of one process share it."""
    link = Connection("local", 0)
    yield link
    link.close()


@pytest.fixture(scope="module")
def plain(cluster) -> Iterator[RayFleet]:
    """A fleet of two workers that tests may do anything to but close."""
    with closing(open_fleet(PLAIN)) as fleet:
        yield fleet


def compare(world: World, story: Callable[[Any], Any], workers: int = 2) -> None:
    """Tell one story on Ray and in lanes of this process."""
    with closing(open_fleet(world, workers)) as fleet:
        ours = story(fleet)
    with closing(world.simulated(2)) as fleet:
        theirs = story(fleet)
    for a, b in zip(ours, theirs, strict=True):
        assert_same_story(a, b)


def run_with(fleet: Any, reducer: Any, world: World = PLAIN, **how: Any) -> Any:
    algorithm = replace(world.build_algorithm(), reducer=reducer)
    return run(fleet, world, rounds=1, algorithm=algorithm, **how)


def test_robust_private_and_plain_reducers_over_uneven_clients(cluster, plain):
    def story(fleet):
        return [
            run(fleet, PLAIN, cohort=5),
            *(
                run(fleet, PLAIN, rounds=2, algorithm=PLAIN.build_algorithm(name), **how)
                for name, how in {
                    "FedMedian": {"local_evaluation": LocalEvaluation.SAMPLE},
                    "Krum": {"local_evaluation": LocalEvaluation.NONE, "keep": False},
                    "DPFedAvg": {"local_evaluation": LocalEvaluation.NONE, "keep": False},
                }.items()
            ),
        ]

    with closing(PLAIN.simulated(2)) as lanes:
        for ours, theirs in zip(story(plain), story(lanes), strict=True):
            assert_same_story(ours, theirs)
            assert ours.kept.keys() == theirs.kept.keys()


def test_scaffold_with_batch_statistics_dropout_and_memory(cluster, user_model):
    world = World(model=str(user_model), hidden=None, algorithm="Scaffold")

    def story(fleet):
        first = run(fleet, world, rounds=1, cohort=4)
        saved = {name: np.array(array) for name, array in fleet.save().items()}
        rest = run(fleet, world, rounds=3, cohort=4, after=first.state)
        fleet.load(saved)
        again = run(fleet, world, rounds=3, cohort=4, after=first.state)
        assert_same_story(again, rest, tolerance=0)
        return [first, rest]

    compare(world, story)


def test_one_client_and_more_workers_than_clients(cluster):
    world = PLAIN.with_(sizes=(13,))
    with closing(open_fleet(world, workers=3)) as fleet:
        assert fleet.workers == 1
        ours = run(fleet, world, rounds=2)
        fleet.close()  # twice does no harm
    with closing(world.simulated(1)) as fleet:
        assert_same_story(ours, run(fleet, world, rounds=2))


def test_portions_of_a_lane_add_up(cluster, plain, monkeypatch):
    whole = run(plain, PLAIN, rounds=1)
    monkeypatch.setattr("fedloom.fleet.ray.fleet.STACK_BYTES", 1)
    assert_same_story(run(plain, PLAIN, rounds=1), whole)


def test_the_clients_of_a_killed_worker_are_done_again(cluster, plain, tmp_path):
    expected = run_with(plain, with_harm(lambda _: None))
    story = run_with(plain, with_harm(harm.die_once, 9, tmp_path / "killed"))
    assert (tmp_path / "killed").exists()
    assert story.outcomes[0].participants == [0, 1, 2, 3, 4, 5]
    assert_same_story(story, expected, tolerance=0)
    assert len(plain._crew.workers) >= 1


def test_a_client_that_kills_every_worker_is_lost_alone(cluster, plain):
    story = run_with(plain, with_harm(harm.die, 9))
    failed = story.outcomes[0].results[4]
    assert failed.failure is Failure.LOST
    assert "3 workers were lost while it trained" in failed.failure_detail
    assert story.outcomes[0].participants == [0, 1, 2, 3, 5]
    assert (1, 4) not in story.kept
    assert len(story.kept) == 5


def test_what_a_worker_raises_is_raised_here(cluster, plain):
    with pytest.raises(ArithmeticError, match="no such sum"):
        run_with(plain, with_harm(harm.break_down))
    assert len(run(plain, PLAIN, rounds=1).outcomes[0].participants) == 6


def test_a_deadline_that_has_passed_begins_nobody(cluster, plain):
    story = run(plain, PLAIN, rounds=1, deadline_s=0.0)
    assert {r.failure for r in story.outcomes[0].results} == {Failure.TIMEOUT}
    assert story.kept == {}


def test_a_worker_that_hangs_is_ended_at_the_deadline(cluster, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "GRACE_SECONDS", 1.0)
    frozen = with_harm(harm.freeze, 9, tmp_path / "frozen")
    story = run_with(plain, frozen, deadline_s=15.0)
    assert (tmp_path / "frozen").exists()
    assert story.outcomes[0].results[4].failure is Failure.TIMEOUT
    assert story.outcomes[0].participants
    assert len(run(plain, PLAIN, rounds=1).outcomes[0].participants) == 6


def test_a_cancelled_round_returns_what_is_done(cluster, plain, tmp_path):
    began, go_on = tmp_path / "began", tmp_path / "go-on"
    told = []
    reducer = with_harm(harm.wait_for, 20, began, go_on)
    thread = Thread(target=lambda: told.append(run_with(plain, reducer)))
    thread.start()
    try:
        wait_until(began.exists)
        plain.cancel()
    finally:
        go_on.touch()
        thread.join(120)
    (story,) = told
    assert {r.failure for r in story.outcomes[0].results} <= {None, Failure.TIMEOUT}
    assert story.outcomes[0].results[2].failure is None


def test_two_fleets_at_once_one_with_a_client_that_diverges(cluster, plain):
    stories: dict[str, Any] = {}
    with closing(open_fleet(REGRESSION)) as other:
        threads = [
            Thread(target=lambda: stories.update(plain=run(plain, PLAIN))),
            Thread(target=lambda: stories.update(other=run(other, REGRESSION))),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(200)
    for name, asked in (("plain", PLAIN), ("other", REGRESSION)):
        with closing(asked.simulated(2)) as fleet:
            assert_same_story(stories[name], run(fleet, asked))
    assert stories["other"].outcomes[0].results[2].failure is Failure.DIVERGED


def test_the_local_cluster_listens_on_loopback_alone(cluster, plain):
    keeper = cluster._shared.cluster._process.pid
    listening = [
        connection.laddr.ip
        for process in [*list_session(keeper), psutil.Process()]
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}


def test_reducers_are_sent_by_content(plain):
    assert plain._pickle(mean_by_examples()) == plain._pickle(mean_by_examples())


def test_a_missing_extra_is_named(monkeypatch):
    monkeypatch.setattr(installed, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'fedloom\[ray\]'"):
        Connection("local", 0)


def test_addresses_come_from_the_plan_then_the_environment(monkeypatch):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert find_address(None) == "local"
    monkeypatch.setenv("RAY_ADDRESS", "one:6379")
    assert find_address(None) == "one:6379"
    assert find_address("two:6379") == "two:6379"


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "localhost:port", "[::1]:99999"])
def test_where_nobody_answers_one_line_says_so(address):
    with pytest.raises(LinkError, match="no Ray cluster answers at"):
        probe.check_cluster(address)


def test_a_port_that_is_no_cluster_is_left_after_a_while(monkeypatch):
    monkeypatch.setattr(probe, "_PROBE_SECONDS", 3.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(LinkError, match="does not answer as a Ray cluster within 3 s"):
            probe.check_cluster(address)


def wait_until(there: Callable[[], bool], limit_s: float = 120.0) -> None:
    until = monotonic() + limit_s
    while not there():
        assert monotonic() < until
        sleep(0.02)
