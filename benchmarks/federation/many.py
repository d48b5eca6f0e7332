"""Many nodes on one machine: a round of 200, and what 100 cost while nothing is going on."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from time import monotonic, sleep

import psutil

from federation.world import open_federation, open_nodes, time_steps
from fedloom.fleet.flower.admission import list_nodes
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.roll_call import RollCall
from fedloom.fleet.flower.superlink import SuperLink
from harness.federation_times import (
    FederationTimes,
    parse_federation_options,
    print_federation,
)

__all__ = ["measure_idle", "measure_round"]

_PROCESSES = 4
_NODES = 200
_IDLE_NODES = 100
_SIZE = 10_000
_LOOK_SECONDS = 5.0
"""How often a coordinator without a task looks who is there."""

_SETTLE_SECONDS, _WATCH_SECONDS, _FULL_SECONDS = 120.0, 60.0, 10.0
_THREADS = 8


def measure_round(repeats: int) -> FederationTimes:
    """Time rounds of 200 nodes, threads of four processes, with 40 KB of weights."""
    with open_federation(_PROCESSES, _NODES // _PROCESSES) as fleet:
        return FederationTimes("round-200", tuple(time_steps(fleet, _SIZE, repeats)))


def measure_idle(repeats: int, *, quick: bool) -> FederationTimes:
    """Measure which share of its most a SuperLink is busy with 100 idle nodes and a roll call.

    Its most is the processor time a second that it takes while as many requests come as it can
    answer, measured right after.
    """
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        folder = Path(name)
        with (
            SuperLink(folder / "superlink") as link,
            open_nodes(link, folder, _PROCESSES, _IDLE_NODES // _PROCESSES),
            closing(RollCall(link.endpoint, link.secret)) as roll,
        ):
            _call(roll, _SETTLE_SECONDS, enough=True)
            _call(roll, 20.0 if quick else _SETTLE_SECONDS)
            shares = []
            for _ in range(repeats):
                idle = _burn(link, lambda: _call(roll, 20.0 if quick else _WATCH_SECONDS))
                shares.append(100 * idle / _burn(link, lambda: _flood(link.endpoint)))
    return FederationTimes("idle-100", tuple(shares))


def _call(roll: RollCall, seconds: float, *, enough: bool = False) -> None:
    """Call the roll now and then, for some time or until all are there."""
    until = monotonic() + seconds
    while monotonic() < until:
        present = sum(report.online for report in roll.look())
        if enough and present >= _IDLE_NODES:
            return
        sleep(min(_LOOK_SECONDS, max(0.0, until - monotonic())))
    if enough:
        raise SystemExit(f"fewer than {_IDLE_NODES} nodes after {seconds:.0f} s")


def _burn(link: SuperLink, do: object) -> float:
    """Return the processor time a second that the SuperLink takes while something is done."""
    assert link.pid is not None
    process = psutil.Process(link.pid)
    begun, before = monotonic(), sum(process.cpu_times()[:2])
    do()  # type: ignore[operator]
    return (sum(process.cpu_times()[:2]) - before) / (monotonic() - begun)


def _flood(endpoint: Endpoint) -> None:
    """Ask as fast as it answers."""
    stop = Event()

    def ask() -> None:
        while not stop.is_set():
            list_nodes(endpoint)

    threads = [Thread(target=ask, daemon=True) for _ in range(_THREADS)]
    for thread in threads:
        thread.start()
    sleep(_FULL_SECONDS)
    stop.set()
    for thread in threads:
        thread.join(30)


def main() -> None:
    """Run what the command line says."""
    given = parse_federation_options()
    if given.part == "round":
        print_federation(measure_round(given.repeats))
    else:
        print_federation(measure_idle(1, quick=given.quick))


if __name__ == "__main__":
    main()
