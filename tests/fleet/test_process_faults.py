"""Clients that raise, die, hang or come too late: a result each, and the round goes on.

Processes take seconds to start, so all tests share one fleet; each warms the client that it hurts.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import psutil
import pytest

from fedloom.federation.fleet import ClientResult, Failure, LocalEvaluation, Order
from fedloom.federation.reduce import mean_by_examples
from fedloom.fleet.process import ProcessFleet, pool

from .worlds import World

MODEL = '''
import os, signal
from pathlib import Path
import keras

def build_model(feature_shape, outputs):
    """Whoever gets hold of a fault suffers it; a fault strikes once."""
    for fault in sorted(Path(__file__).parent.glob("*.fault")):
        try:
            fault.rename(fault.with_suffix(".claimed"))
        except FileNotFoundError:
            continue
        if fault.stem == "raise":
            raise ValueError("no rows\\n for me")
        print("out of memory, good bye", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return keras.Sequential([
        keras.Input(feature_shape), keras.layers.Flatten(), keras.layers.Dense(outputs),
    ])
'''
REDUCER = mean_by_examples()


@dataclass
class Ward:
    """A fleet of four processes and the folder where its model looks for faults."""

    fleet: ProcessFleet
    folder: Path

    def order(self, cohort: list[int], deadline_s: float = 240.0) -> Order:
        weights = self.fleet._trainer.initial_weights
        return Order(
            round=1,
            cohort=cohort,
            weights=weights,
            seed=3,
            shared=(),
            local_evaluation=LocalEvaluation.NONE,
            deadline_s=deadline_s,
        )

    def train(self, cohort: list[int], deadline_s: float = 240.0) -> list[ClientResult]:
        return list(self.fleet.train(self.order(cohort, deadline_s), REDUCER).results)

    def warm(self, client: int) -> psutil.Process:
        """Return the waiting process of a client that has just trained."""
        assert self.train([client])[0].failure is None
        return psutil.Process(self.fleet._pool._idle[client]._process.pid)


@pytest.fixture(scope="module")
def ward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "model.py").write_text(MODEL)
    world = World(model=str(folder / "model.py"), hidden=None, sizes=(9, 1, 13, 5))
    with closing(world.processes()) as fleet:
        yield Ward(fleet, folder)


def assert_dead(process: psutil.Process) -> None:
    process.wait(timeout=10)
    assert not process.is_running()


def test_one_raises_and_one_dies_and_both_come_back(ward):
    (ward.folder / "raise.fault").touch()
    (ward.folder / "die.fault").touch()
    results = ward.train([0, 1, 2])
    by_failure = {r.failure: r for r in results}
    assert set(by_failure) == {Failure.ERROR, Failure.LOST, None}
    assert by_failure[Failure.ERROR].failure_detail.endswith("ValueError: no rows for me")
    assert by_failure[Failure.LOST].failure_detail == (
        "its process was killed by signal 9: out of memory, good bye"
    )
    assert [r.client for r in results] == [0, 1, 2]
    assert [r.failure for r in ward.train([0, 1, 2])] == [None] * 3


def test_killed_while_it_trains(ward):
    process = ward.warm(0)
    process.suspend()
    with ThreadPoolExecutor(1) as thread:
        training = thread.submit(ward.train, [0, 1])
        sleep(0.3)
        process.kill()
        lost, other = training.result(timeout=120)
    assert lost.failure is Failure.LOST
    assert "killed by signal 9" in lost.failure_detail
    assert other.failure is None


def test_dead_between_two_rounds_is_started_anew(ward):
    process = ward.warm(1)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # looks without taking it away
    assert ward.train([1])[0].failure is None
    assert_dead(process)


def test_hanging_is_ended_at_the_deadline(ward):
    process = ward.warm(2)
    process.suspend()
    began = monotonic()
    result = ward.train([2], deadline_s=1.0)[0]
    assert result.failure is Failure.TIMEOUT
    assert 1.0 <= monotonic() - began < 40.0
    assert_dead(process)


def test_whose_turn_comes_after_the_deadline_is_not_even_started(ward, monkeypatch):
    started = []
    monkeypatch.setattr(ward.fleet._pool, "_start", started.append)
    ward.fleet.cancel()
    results = ward.train([0, 1, 2, 3], deadline_s=1e-9)
    assert [r.failure for r in results] == [Failure.TIMEOUT] * 4
    assert started == []


def test_weights_larger_than_the_pipe_do_not_block_past_the_deadline(ward):
    process = ward.warm(1)
    process.suspend()
    order = ward.order([1], deadline_s=1.0)
    order.weights.append(np.zeros(10**7, np.float32))
    began = monotonic()
    assert ward.fleet.train(order, REDUCER).results[0].failure is Failure.TIMEOUT
    assert monotonic() - began < 40.0
    assert_dead(process)


def test_cancel_from_another_thread(ward):
    process = ward.warm(0)
    process.suspend()
    with ThreadPoolExecutor(1) as thread:
        training = thread.submit(ward.train, [0, 1, 2, 3])
        sleep(0.3)
        began = monotonic()
        ward.fleet.cancel()
        results = training.result(timeout=30)
    assert monotonic() - began < 40.0
    assert results[0].failure is Failure.TIMEOUT
    assert_dead(process)


def test_no_more_than_some_wait_between_rounds(ward, monkeypatch):
    monkeypatch.setattr(pool, "MOST_IDLE", 1)
    ward.fleet.cancel()
    assert [r.failure for r in ward.train([0, 1])] == [None, None]
    assert len(ward.fleet._pool._idle) == 1
    assert not ward.fleet._pool._busy


def test_a_sink_that_fails_ends_the_round_and_leaves_nobody_at_work(ward):
    ward.warm(0)
    order = ward.order([0, 1])

    def sink(client: int, weights: list[np.ndarray]) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        ward.fleet.train(
            Order(**{**vars(order), "sink": sink}),
            REDUCER,
        )
    assert not ward.fleet._pool._idle


def test_close_leaves_nobody_behind(tmp_path):
    world = World(model="logistic", hidden=None, sizes=(5, 3))
    fleet = world.processes()
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with ThreadPoolExecutor(1) as thread:
        order = Ward(fleet, tmp_path).order([0, 1])
        training = thread.submit(fleet.train, order, REDUCER)
        while len(fleet._pool._busy) < 2:
            sleep(0.01)
        children = psutil.Process().children(recursive=True)
        ours = [p for p in children if p.pid not in before]
        fleet.close()
        assert [r.failure for r in training.result(timeout=30).results] == [Failure.TIMEOUT] * 2
    assert len(ours) >= 2
    assert not [p for p in ours if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not Path(fleet._keeper.name).exists()
    fleet.close()
