"""The live cluster, asked directly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fedloom.scheduling.cluster.costs import load_us, move_us, run_us
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.devices import LiveDevices
from fedloom.scheduling.cluster.read import uniform_cluster
from fedloom.scheduling.cluster.schema import describe_cluster
from fedloom.scheduling.policy import Devices, Policy
from fedloom.scheduling.problem import ModelNeeds
from fedloom.scheduling.task import Task

MODELS = (
    ModelNeeds("a", "llm", 1, 30_000, 4_000_000),
    ModelNeeds("b", "llm", 1, 40_000, 2_000_000),
    ModelNeeds("c", "llm", 1, 20_000, None),
    ModelNeeds("g", "llm", 2, 30_000, 6_000_000),
    ModelNeeds("huge", "llm", 1, 200_000, None),
)


def task(model: str, estimate_us: int = 10_000_000, number: int = 0) -> Task:
    needs = next(each for each in MODELS if each.model_id == model)
    return Task(
        number, 0, "r", "n", model, needs.gpus, needs.memory_mb, 0, 0, estimate_us, estimate_us
    )


def live(cluster: Cluster | int = 2, policy: Policy | None = None) -> LiveDevices:
    cluster = uniform_cluster(cluster) if isinstance(cluster, int) else cluster
    return LiveDevices(cluster, MODELS, policy)


def run(devices: LiveDevices, model: str, *gpus: int) -> int | None:
    switch_us = devices.start(task(model), gpus)
    devices.end(gpus)
    return switch_us


def test_rounding_is_to_the_nearest_microsecond() -> None:
    assert move_us(1, 3.0) == 333  # 1 MB at 3 GB/s
    assert move_us(1, 16.0) == 62  # 62.5 goes to the even one
    assert run_us(10, 3.0) == 3
    assert run_us(5, 2.0) == 2
    assert run_us(7, 2.0) == 4
    assert run_us(10, 1.0, 1.25) == 12
    assert load_us(ModelNeeds("m", "t", 1, 1, 3), 32.0, 99) == 2
    assert load_us(ModelNeeds("m", "t", 1, 1, None), 16.0, 99) == 62 + 99


def test_what_is_idle_is_in_the_order_of_becoming_idle() -> None:
    devices = live(3)
    assert devices.idle == [0, 1, 2]
    devices.start(task("a"), (0,))
    assert devices.idle == [1, 2]
    devices.start(task("b"), (2,))
    devices.end((0,))
    devices.end((2,))
    assert devices.idle == [1, 0, 2]


def test_when_a_device_will_be_free() -> None:
    devices = live(2)
    devices.now_us = 1_000_000
    devices.start(task("a"), (0,))
    assert devices.free_at_us(0) == 15_000_000  # 1 + 4 + 10
    assert devices.free_at_us(1) == 1_000_000
    devices.now_us = 20_000_000  # it is late
    assert devices.free_at_us(0) == 20_000_000


def test_models_stay_until_they_must_go() -> None:
    devices = live(1)
    assert run(devices, "a", 0) == 4_000_000
    assert run(devices, "b", 0) == 2_000_000
    assert dict(devices.resident(0)) == {"a": 30_000, "b": 40_000}
    assert devices.switch_us(task("a"), (0,)) == 0
    assert devices.switch_us(task("c"), (0,)) == 1_875_000 + 1_250_000 + 2_000_000
    assert run(devices, "a", 0) == 0  # now b is the one not used longest
    assert run(devices, "c", 0) == 2_500_000 + 1_250_000 + 2_000_000
    assert list(devices.resident(0)) == ["a", "c"]


def test_a_model_that_can_never_be_there() -> None:
    devices = live(2)
    assert devices.find(task("huge")) is None
    assert list(devices.candidates(task("huge"))) == []
    assert devices.start(task("huge"), (0,)) is None
    assert devices.idle == [0, 1]
    with pytest.raises(ValueError, match="no room"):
        devices.switch_us(task("huge"), (0,))


def test_alike_devices_are_offered_once() -> None:
    devices = live(64)
    assert list(devices.candidates(task("a"))) == [(0,)]
    run(devices, "a", 5)
    run(devices, "a", 7)
    run(devices, "b", 9)
    assert list(devices.candidates(task("a"))) == [(0,), (5,), (9,)]
    assert devices.find(task("a")) == (5,)
    assert devices.find(task("b")) == (9,)
    assert devices.find(task("c")) == (0,)  # all cost the same: the longest idle


def test_a_gang_is_offered_where_it_is_and_the_cheapest_of_each_server() -> None:
    devices = live(uniform_cluster(12, per_server=4))
    assert list(devices.candidates(task("g"))) == [(0, 1)]  # all servers are alike
    run(devices, "g", 4, 6)
    for gpu in (0, 1):
        run(devices, "b", gpu)
        run(devices, "c", gpu)
    run(devices, "b", 2)
    run(devices, "c", 2)
    # Server 1 has the gang at home and two empty devices, idle longer than those of server 2; on
    # server 0 only 3 is empty.
    assert list(devices.candidates(task("g"))) == [(5, 7), (4, 6), (0, 3)]
    assert devices.find(task("g")) == (4, 6)
    assert devices.switch_us(task("g"), (4, 6)) == 0
    assert devices.switch_us(task("g"), (6, 4)) == 0
    assert devices.switch_us(task("g"), (4, 5)) == 6_000_000
    assert devices.switch_us(task("g"), (0, 3)) == 6_000_000 + 2_500_000


def test_gangs_that_may_span_are_offered_the_cheapest_of_all() -> None:
    servers = [{"name": "x", "count": 3, "gpus": 1, "gpu_memory_gb": 80}]
    devices = live(describe_cluster({"servers": servers, "allow_span": True, "span_slowdown": 2}))
    assert list(devices.candidates(task("g"))) == [(0, 1)]
    assert devices.run_us(task("g"), (0, 1)) == 20_000_000
    assert devices.find(task("g")) == (0, 1)
    assert run(devices, "g", 0, 1) == 6_000_000
    assert devices.find(task("g")) == (0, 1)
    closed = live(describe_cluster({"servers": servers}))
    assert closed.find(task("g")) is None
    assert list(closed.candidates(task("g"))) == []


def test_a_share_that_goes_takes_the_others_with_it() -> None:
    devices = live(uniform_cluster(3, memory_gb=40))
    run(devices, "g", 0, 1)
    assert dict(devices.resident(1)) == {"g": 30_000}
    assert run(devices, "b", 0) == 1_875_000 + 2_000_000
    assert dict(devices.resident(1)) == {}
    # Device 1 is idle and empty, now alike with 2, which has been idle longer.
    assert list(devices.candidates(task("b"))) == [(2,), (0,)]
    run(devices, "c", 2)
    assert list(devices.candidates(task("b"))) == [(1,), (0,), (2,)]


def test_two_gangs_of_one_model_can_lie_on_one_device() -> None:
    devices = live(3)
    run(devices, "g", 0, 1)
    assert run(devices, "g", 1, 2) == 6_000_000
    assert dict(devices.resident(1)) == {"g": 60_000}
    assert devices.switch_us(task("g"), (0, 1)) == 0
    assert run(devices, "b", 1) == 1_875_000 + 2_000_000  # the older instance goes
    assert dict(devices.resident(0)) == {}
    assert devices.switch_us(task("g"), (1, 2)) == 0


def test_numbers_that_are_no_device() -> None:
    devices = live(2)
    for gpu in (-1, 2):
        with pytest.raises(IndexError, match="numbered from 0 to 1"):
            devices.resident(gpu)
        with pytest.raises(IndexError):
            devices.free_at_us(gpu)
        with pytest.raises(IndexError):
            devices.memory_mb(gpu)
    assert devices.memory_mb(1) == 80_000


class _Keeps(Policy):
    """Never lets a go."""

    def evict(self, resident: Sequence[str], devices: Devices, gpu: int) -> Sequence[str]:
        return [model for model in resident if model != "a"]


def test_a_policy_decides_what_goes_and_what_stays() -> None:
    devices = live(uniform_cluster(2, memory_gb=60), _Keeps())
    run(devices, "a", 0)
    run(devices, "c", 0)
    assert devices.find(task("b")) == (1,)
    assert list(devices.candidates(task("b"))) == [(1,)]
    assert devices.start(task("b"), (0,)) is None
    assert list(devices.resident(0)) == ["a", "c"]


def test_the_cluster_is_there_to_be_seen(make_problem: Any) -> None:
    assert len(live(5).cluster.gpus) == 5
