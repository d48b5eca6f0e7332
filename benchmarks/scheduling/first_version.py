"""A simulator and a checker as one would write them at first: lists that are searched.

What Fedloom is compared with, as the schedulers that it replaces cannot be shipped. They too look
through all waiting nodes at every event, so time grows with the square of their number. A GPU holds
one model, a node takes one GPU, and there are no closed loops: what the measured problem needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from fedloom.scheduling.problem import Problem, Schedule

__all__ = ["Call", "Execution", "find_faults", "list_calls", "list_executions", "simulate_plainly"]

_LINK_MB_PER_US = 0.016
"""16 GB/s."""


@dataclass(eq=False)
class Call:
    """A node of a request.

    Attributes:
        index: its number.
        before: numbers of the nodes that it waits for.
        arrival_us: when its request arrives.
        run_us: how long it runs.
        model: what must be on the GPU.
        load_us: how long that takes to load.
        memory_mb: what it occupies.
    """

    index: int
    before: list[int]
    arrival_us: int
    run_us: int
    model: str
    load_us: int
    memory_mb: int


def list_calls(problem: Problem) -> list[Call]:
    """Return the nodes of all requests, request by request."""
    calls = []
    for number, arrival_us in enumerate(problem.arrival_us.tolist()):
        first = int(problem.first_task[number])
        graph = problem.workflows[problem.workflow[number]]
        for node, place in enumerate(problem.node_models[problem.workflow[number]]):
            model = problem.models[place]
            calls.append(
                Call(
                    index=first + node,
                    before=[first + a for a, b in graph.edges if b == node],
                    arrival_us=arrival_us,
                    run_us=int(problem.duration_us[first + node]),
                    model=model.model_id,
                    load_us=model.load_time_us or 0,
                    memory_mb=model.memory_mb,
                )
            )
    return calls


def simulate_plainly(
    calls: Sequence[Call], gpus: int, rank: Callable[[Call], float] = lambda _: 0
) -> list[int]:
    """Return when each call ends, the smallest rank first, then the one that was ready first."""
    ends: dict[int, int] = {}
    held: list[Call | None] = [None] * gpus
    idle = list(range(gpus))
    running: list[tuple[int, int, Call]] = []
    ready: list[Call] = []
    waiting, now_us = list(calls), 0
    while waiting or ready or running:
        for end_us, gpu, call in sorted(running, key=lambda row: row[0]):
            if end_us <= now_us:
                ends[call.index] = end_us
                idle.append(gpu)
        running = [row for row in running if row[0] > now_us]
        found = [c for c in waiting if c.arrival_us <= now_us and all(b in ends for b in c.before)]
        waiting = [c for c in waiting if c not in found]
        ready = sorted(ready + found, key=rank)
        while ready and idle:
            call = ready.pop(0)
            gpu = min(idle, key=lambda each: _switch_us(call, held[each]))
            end_us = now_us + _switch_us(call, held[gpu]) + call.run_us
            idle.remove(gpu)
            held[gpu] = call
            running.append((end_us, gpu, call))
        times = [row[0] for row in running]
        times += [c.arrival_us for c in waiting if c.arrival_us > now_us]
        now_us = min(times, default=now_us)
    return [ends[call.index] for call in calls]


def _switch_us(call: Call, held: Call | None) -> int:
    if held is None:
        return call.load_us
    if held.model == call.model:
        return 0
    return round(held.memory_mb / _LINK_MB_PER_US) + call.load_us


Execution = dict[str, Any]
"""A row of a log, with the calls that it waits for."""


def list_executions(calls: Sequence[Call], schedule: Schedule) -> list[Execution]:
    """Return what ran where and when, as one reads it from a log."""
    return [
        {
            "call": call.index,
            "before": call.before,
            "arrival_us": call.arrival_us,
            "run_us": call.run_us,
            "gpu": int(schedule.gpus[call.index, 0]),
            "start_us": int(schedule.start_us[call.index]),
            "switch_us": int(schedule.switch_us[call.index]),
            "end_us": int(schedule.end_us[call.index]),
        }
        for call in calls
    ]


def find_faults(executions: Sequence[Execution]) -> list[str]:
    """Return what is wrong with arrivals, dependencies, times and overlaps; memory is not seen."""
    faults: list[str] = []
    by_gpu: dict[int, list[tuple[int, int, int]]] = {}
    ends = {row["call"]: row["end_us"] for row in executions}
    for row in executions:
        if row["start_us"] < row["arrival_us"]:
            faults.append(f"call {row['call']} starts before it arrives")
        if any(call not in ends or row["start_us"] < ends[call] for call in row["before"]):
            faults.append(f"call {row['call']} does not wait for those before it")
        if row["end_us"] - row["start_us"] != row["switch_us"] + row["run_us"]:
            faults.append(f"call {row['call']} takes another time")
        by_gpu.setdefault(row["gpu"], []).append((row["start_us"], row["end_us"], row["call"]))
    for gpu, rows in by_gpu.items():
        rows.sort()
        for (_, end_us, first), (start_us, _, second) in pairwise(rows):
            if start_us < end_us:
                faults.append(f"calls {first} and {second} overlap on GPU {gpu}")
    return faults
