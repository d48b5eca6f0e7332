"""What is the simulated fleet's own: calls in parts, no needless compilation, work by cohort."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from time import monotonic, perf_counter, sleep

import jax
import numpy as np
import pytest

from fedloom.errors import InputError
from fedloom.federation.fleet import Failure, LocalEvaluation, Order
from fedloom.federation.reduce import mean_by_examples
from fedloom.federation.select import choose_cohort
from fedloom.fleet.simulated import SimulatedFleet, device_round, open_lanes

from .worlds import TWO_BY_THREE, TWO_LANES, World, assert_same_story, run

REDUCER = mean_by_examples()
LINEAR = World(model="logistic", hidden=None, test_rows=64)


_COMPILED: list[float] = []


def _note(event: str, seconds: float, **_: object) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _COMPILED.append(seconds)


jax.monitoring.register_event_duration_secs_listener(_note)  # there is no way to take it back


@contextmanager
def counting_compilations() -> Iterator[list[float]]:
    """Collect the seconds of every program that XLA compiles in the block."""
    _COMPILED.clear()
    yield _COMPILED


def order_for(fleet: SimulatedFleet, cohort: list[int], **changes) -> Order:
    wanted = {
        "round": 1,
        "cohort": cohort,
        "weights": fleet._trainer.initial_weights,
        "seed": 3,
        "shared": (),
        "local_evaluation": LocalEvaluation.NONE,
        **changes,
    }
    return Order(**wanted)


# The same again


@pytest.mark.parametrize("layout", [TWO_LANES, TWO_BY_THREE])
def test_two_runs_are_equal_to_the_last_bit_in_calls_of_any_length(layout, monkeypatch):
    world = World(algorithm="Scaffold")
    with closing(world.simulated(*layout)) as fleet:
        expected = run(fleet, world, rounds=2)
    monkeypatch.setattr(device_round, "FIRST_CALL_BATCHES", 1)
    monkeypatch.setattr(device_round, "CALL_SECONDS", 1e-9)
    with closing(world.simulated(*layout)) as fleet:
        assert_same_story(run(fleet, world, rounds=2), expected, tolerance=0)


def test_few_slots_give_the_same(monkeypatch):
    world = World()
    with closing(world.simulated(2)) as fleet:
        expected = run(fleet, world, rounds=1)
    monkeypatch.setattr(device_round, "STACK_BYTES", 1)
    with closing(world.simulated(2)) as fleet:
        assert_same_story(run(fleet, world, rounds=1), expected)


# Work grows with the cohort alone


def test_other_cohorts_need_no_other_program(monkeypatch):
    world = LINEAR.with_(sizes=[1 + 7 * i % 23 for i in range(40)])
    with closing(world.simulated(2)) as fleet:

        def train(number: int) -> list[int]:
            cohort = choose_cohort(3, number, 40, 10)
            full = LocalEvaluation.FULL
            fleet.train(order_for(fleet, cohort, round=number, local_evaluation=full), REDUCER)
            fleet.evaluate(fleet._trainer.initial_weights)
            return cohort

        train(1)
        with counting_compilations() as compiled:
            cohorts = [train(number) for number in range(2, 9)]
            monkeypatch.setattr(device_round, "CALL_SECONDS", 1e-9)  # a call for each client
            cohorts += [train(number) for number in range(9, 11)]
            assert compiled == []
    assert len(set(map(tuple, cohorts))) > 5


def test_compilations_are_seen_at_all():
    with counting_compilations() as compiled:
        jax.jit(lambda x: x * 3.5 + 1)(np.ones(7)).block_until_ready()
        assert len(compiled) == 1


def test_ten_of_ten_thousand_cost_what_ten_of_ten_cost():
    fastest = {}
    for count in (10, 10_000):
        world = LINEAR.with_(sizes=[20] * count, shape=(4,))
        with closing(world.simulated(1)) as fleet:
            orders = [
                order_for(fleet, list(range(0, count, count // 10)), round=i + 1) for i in range(8)
            ]
            times = []
            for order in orders:
                began = perf_counter()
                assert len(fleet.train(order, REDUCER).results) == 10
                times.append(perf_counter() - began)
            fastest[count] = min(times)
    assert fastest[10_000] < 4 * fastest[10] + 0.01


def test_fifty_rounds_leave_nothing_behind():
    world = World(model="logistic", hidden=None, algorithm="Scaffold")
    with closing(world.simulated(2)) as fleet:

        def held_after(rounds: int) -> int:
            for number in range(rounds):
                shared = fleet._trainer.objective.init_shared(fleet._trainer.initial_weights)
                order = order_for(fleet, [0, 1, 2, 3, 4, 5], round=number + 1, shared=shared)
                fleet.evaluate(order.weights)
                fleet.train(order, REDUCER)
            del order, shared
            gc.collect()
            return sum(array.nbytes for array in jax.live_arrays())

        first = held_after(3)
        assert held_after(50) <= first


# Ending early


@pytest.fixture(scope="module")
def long_work() -> Iterator[SimulatedFleet]:
    """A round of minutes: 400 clients, each with thousands of steps."""
    world = LINEAR.with_(sizes=[16] * 400, shape=(4,), epochs=2000)
    with closing(world.simulated(2)) as fleet:
        fleet.train(order_for(fleet, [0, 1]), REDUCER)
        yield fleet


def test_cancel_from_another_thread(long_work):
    cohort = list(range(400))
    with ThreadPoolExecutor(1) as thread:
        training = thread.submit(long_work.train, order_for(long_work, cohort), REDUCER)
        sleep(0.2)
        began = monotonic()
        long_work.cancel()
        reply = training.result(timeout=60)
    assert monotonic() - began < 20
    assert [r.client for r in reply.results] == cohort
    assert reply.results[-1].failure is Failure.TIMEOUT
    assert long_work.train(order_for(long_work, [5]), REDUCER).results[0].failure is None


def test_deadline(long_work, monkeypatch):
    monkeypatch.setattr(device_round, "CALL_SECONDS", 0.05)
    cohort = list(range(400))
    reply = long_work.train(order_for(long_work, cohort, deadline_s=0.2), REDUCER)
    late = [r for r in reply.results if r.failure is Failure.TIMEOUT]
    assert late
    assert all(r.train_loss is None for r in late)
    _, examples = reply.state
    assert float(examples) == 16 * (400 - len(late))


def test_a_sink_that_fails_ends_the_round_and_the_fleet_goes_on():
    with closing(LINEAR.simulated(2)) as fleet:

        def sink(client: int, weights: list[np.ndarray]) -> None:
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            fleet.train(order_for(fleet, [0, 1, 2, 3], sink=sink), REDUCER)
        results = fleet.train(order_for(fleet, [0, 1, 2, 3]), REDUCER).results
        assert [r.failure for r in results] == [None] * 4
        fleet.close()


def test_nobody_trains():
    with closing(LINEAR.simulated(2)) as fleet:
        reply = fleet.train(order_for(fleet, []), REDUCER)
        assert list(reply.results) == []
        assert not any(a.any() for a in REDUCER.finish(reply.state))


# Lanes


@pytest.mark.parametrize(
    ("lanes", "abreast", "words"),
    [(0, None, "lanes"), (2, 0, "abreast"), (5, 2, "lanes=5: a multiple of abreast=2")],
)
def test_impossible_lanes(lanes, abreast, words):
    with pytest.raises(InputError, match=words):
        open_lanes(lanes, abreast=abreast)


def test_more_lanes_than_jax_started_with(caplog):
    present = len(jax.local_devices())
    layout = open_lanes(present + 3)
    assert layout.lanes == present
    assert layout.on_cpu
    assert f"running {present} lane(s), not {present + 3}" in caplog.text
