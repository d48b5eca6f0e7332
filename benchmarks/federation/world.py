"""A SuperLink with nodes in processes of their own, and steps of the fleet over them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from fedloom.federation.fleet import Order
from fedloom.federation.reduce import mean_by_examples
from fedloom.federation.weights import Weights
from fedloom.fleet.flower.depot import Depot
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.superlink import SuperLink

__all__ = ["open_federation", "open_nodes", "time_steps"]

_JOIN_SECONDS = 240.0
_END_SECONDS = 40.0
_DEADLINE_SECONDS = 300.0
_BENCHMARKS = Path(__file__).resolve().parent.parent


@contextmanager
def open_nodes(link: SuperLink, folder: Path, processes: int, nodes: int) -> Iterator[None]:
    """Run `nodes` nodes in each of some processes."""
    started: list[subprocess.Popen[bytes]] = []
    for number in range(processes):
        place = folder / f"process{number}"
        place.mkdir()
        words = ["-m", "federation.nodes", link.endpoint.address, str(place), str(nodes)]
        started.append(
            subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, cwd=_BENCHMARKS)
        )
    try:
        yield
    finally:
        for process in started:
            assert process.stdin is not None
            process.stdin.close()
        for process in started:
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(_END_SECONDS)


@contextmanager
def open_federation(processes: int, nodes: int) -> Iterator[FlowerFleet]:
    """Start a SuperLink, a depot and nodes; yield a fleet in which all take part."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fedloom-bench-")))
        link = stack.enter_context(SuperLink(folder / "superlink"))
        stack.enter_context(open_nodes(link, folder, processes, nodes))
        depot = stack.enter_context(Depot(folder / "depot"))
        fleet = FlowerFleet(link.endpoint, link.secret, "bench", {}, depot=depot)
        stack.enter_context(closing(fleet))
        fleet.wait_for(processes * nodes, _JOIN_SECONDS)
        yield fleet


def time_steps(fleet: FlowerFleet, size: int, steps: int, warm: int = 1) -> list[float]:
    """Return the seconds of each step: order, training, updates, mean, and the new weights.

    Args:
        fleet: all of its clients take part.
        size: float32 numbers in the weights.
        steps: that are timed.
        warm: that come before and are not.
    """
    weights: Weights = [np.zeros(size, np.float32)]
    cohort = [client.index for client in fleet.clients()]
    seconds = []
    for number in range(1, warm + steps + 1):
        begun = perf_counter()
        weights = _step(fleet, number, cohort, weights)
        seconds.append(perf_counter() - begun)
    if not np.allclose(weights[0][:3], warm + steps):
        raise SystemExit(f"the weights are {weights[0][:3]} after {warm + steps} steps of 1")
    return seconds[warm:]


def _step(fleet: FlowerFleet, number: int, cohort: Sequence[int], weights: Weights) -> Weights:
    reducer = mean_by_examples()
    order = Order(number, cohort, weights, 7, deadline_s=_DEADLINE_SECONDS)
    reply = fleet.train(order, reducer)
    failed = [result for result in reply.results if result.failure is not None]
    if failed:
        raise SystemExit(f"step {number}: {len(failed)} clients failed, first {failed[0]}")
    return [w + d for w, d in zip(weights, reducer.finish(reply.state), strict=True)]
