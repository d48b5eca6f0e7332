"""Large models: the server's step is exact in place, and needs one model more than there is."""

from __future__ import annotations

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from fedloom.federation.reduce import Update, mean_by_examples, means, uniform_mean


@pytest.mark.parametrize("reducer", [mean_by_examples(), uniform_mean()], ids=lambda r: r.name)
@pytest.mark.parametrize(
    "dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.int32, np.int64]
)
def test_settling_is_finishing_to_the_last_bit_without_memory(reducer, dtype, monkeypatch):
    monkeypatch.setattr(means, "_BLOCK_VALUES", 7)
    generator = np.random.default_rng(3)
    shapes = ((), (5, 3), (0, 2), (4, 4, 2))
    state = reducer.init([np.zeros(shape, dtype) for shape in shapes])
    for rows in (3, 7, 11):
        delta = [np.asarray(100 * generator.normal(size=s)).astype(dtype) for s in shapes]
        state = reducer.add(state, Update(delta, rows))
    expected = [np.asarray(a).tobytes() for a in reducer.finish(state)]
    before = list(state[0])
    settled = reducer.settle(state)
    assert [np.asarray(a).tobytes() for a in settled] == expected
    assert [np.asarray(a).dtype for a in settled] == [np.dtype(dtype)] * len(shapes)
    assert [np.shares_memory(a, b) for a, b in zip(settled, before, strict=True)][1::2] == [
        True
    ] * 2


def test_what_others_may_see_is_not_settled_in_place():
    held = np.array([2.0, 4.0], np.float32)
    held.flags.writeable = False
    assert mean_by_examples().settle(([held], np.float32(2)))[0].tolist() == [1.0, 2.0]
    assert held.tolist() == [2.0, 4.0]


MEMORY = """
import sys
import numpy as np
from fedloom.federation import loop
from fedloom.federation.algorithm import build_algorithm
from fedloom.federation.fleet import ClientResult, Reply
from fedloom.federation.server_step import Server, begin

def peak():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024

def step(values):
    weights = [np.ones(values, np.float32)]
    algorithm = build_algorithm("fedavg", clients=2, cohort=2)
    server, state = Server(algorithm, [1, 3], [0], 2, 0), begin(algorithm, weights, [0])
    sums = [np.full(values, 4, np.float32)]
    reply = Reply(state=(sums, np.float32(4)), results=[ClientResult(0), ClientResult(1)])
    del sums
    before = peak()
    moved = server.step(1, state, reply)
    distance = loop._distance(moved.weights, state.weights)
    assert moved.weights[0][-1] == 2.0, moved.weights
    assert abs(distance - values ** 0.5) < 1e-3 * values ** 0.5, distance
    return peak() - before

step(1000)
print(step(int(sys.argv[1]) << 18))
"""


def test_a_step_needs_one_model_beside_the_weights_and_the_sum():
    megabytes = 128
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(megabytes)],
        capture_output=True,
        text=True,
        timeout=300,
        env={"JAX_PLATFORMS": "cpu", "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1.5 * megabytes
