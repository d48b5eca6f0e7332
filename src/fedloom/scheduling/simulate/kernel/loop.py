"""The event loop: `fedloom.scheduling.simulate.loop` as plain loops."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.simulate.kernel.heap import pop, push
from fedloom.scheduling.simulate.kernel.jit import Function, compiled, compiled_once
from fedloom.scheduling.simulate.kernel.layout import (
    ARRIVAL,
    BEST,
    COUNT,
    DONE,
    DURATION,
    END,
    ESTIMATE,
    FIRST_NODE,
    FIRST_TASK,
    FOLLOWERS,
    IDLE,
    IDLE_HERE,
    IN_ENDINGS,
    IN_FRESH,
    IN_IDLE,
    IN_LATER,
    IN_LINE,
    KEY,
    LEFT,
    MODEL,
    NUMBER,
    OPENED,
    PLACE,
    READY,
    REQUEST,
    SERVER,
    SIZE,
    STAMP,
    STAMPS,
    START,
    SWITCH,
    THINK,
    WAITING,
)
from fedloom.scheduling.simulate.kernel.placement import find, scaled
from fedloom.scheduling.simulate.kernel.residency import bring

__all__ = ["NOTHING", "advance"]

Whole = NDArray[np.int64]
Real = NDArray[np.float64]

NOTHING = int(np.iinfo(np.int64).max)
"""When the next thing happens if nothing does."""


@compiled
def _next_moment(opened: Whole, endings: Whole, later: Whole, notes: Whole) -> int:
    """Return when the next thing happens."""
    now_us = NOTHING
    if notes[COUNT, IN_ENDINGS] > 0:
        now_us = endings[0, 0]
    if notes[COUNT, IN_LATER] > 0:
        now_us = min(now_us, later[0, 0])
    if notes[COUNT, OPENED] < opened.shape[1]:
        now_us = min(now_us, opened[0, notes[COUNT, OPENED]])
    return now_us


@compiled
def _make_ready(
    tasks: Whole, models: Whole, endings: Whole, fresh: Whole, notes: Whole, task: int, now_us: int
) -> None:
    """Start a task that needs no device; let any other wait."""
    tasks[task, READY] = now_us
    if models[tasks[task, MODEL], SIZE] > 0:
        push(fresh, notes[COUNT, IN_FRESH], task, 0, 0)
        notes[COUNT, IN_FRESH] += 1
        return
    tasks[task, START], tasks[task, SWITCH] = now_us, 0
    push(endings, notes[COUNT, IN_ENDINGS], now_us + tasks[task, DURATION], task, 0)
    notes[COUNT, IN_ENDINGS] += 1


@compiled
def _arrive(
    tasks: Whole,
    requests: Whole,
    models: Whole,
    endings: Whole,
    fresh: Whole,
    notes: Whole,
    request: int,
    now_us: int,
) -> None:
    requests[request, ARRIVAL] = now_us
    for task in range(requests[request, FIRST_TASK], requests[request + 1, FIRST_TASK]):
        if tasks[task, WAITING] == 0:
            _make_ready(tasks, models, endings, fresh, notes, task, now_us)


@compiled
def _release(devices: Whole, servers: Whole, notes: Whole, gpu: int) -> None:
    last = notes[COUNT, IN_IDLE]
    devices[gpu, STAMP], devices[gpu, PLACE], devices[last, IDLE] = notes[COUNT, STAMPS], last, gpu
    servers[devices[gpu, SERVER], IDLE_HERE] += 1
    notes[COUNT, STAMPS] += 1
    notes[COUNT, IN_IDLE] += 1


@compiled
def _take(devices: Whole, servers: Whole, notes: Whole, gpu: int) -> None:
    notes[COUNT, IN_IDLE] -= 1
    last, at = devices[notes[COUNT, IN_IDLE], IDLE], devices[gpu, PLACE]
    devices[at, IDLE], devices[last, PLACE], devices[gpu, PLACE] = last, at, -1
    servers[devices[gpu, SERVER], IDLE_HERE] -= 1


@compiled
def _end(
    tasks: Whole,
    requests: Whole,
    first_successor: Whole,
    successors: Whole,
    followers: Whole,
    gpus: Whole,
    models: Whole,
    devices: Whole,
    servers: Whole,
    endings: Whole,
    later: Whole,
    fresh: Whole,
    notes: Whole,
    task: int,
    now_us: int,
) -> None:
    tasks[task, END] = now_us
    notes[COUNT, DONE] += 1
    for k in range(models[tasks[task, MODEL], SIZE]):
        _release(devices, servers, notes, gpus[task, k])
    request = tasks[task, REQUEST]
    first = requests[request, FIRST_TASK]
    node = requests[request, FIRST_NODE] + task - first
    for at in range(first_successor[node], first_successor[node + 1]):
        after = first + successors[at]
        tasks[after, WAITING] -= 1
        if tasks[after, WAITING] == 0:
            _make_ready(tasks, models, endings, fresh, notes, after, now_us)
    requests[request, LEFT] -= 1
    if requests[request, LEFT] == 0:
        for at in range(requests[request, FOLLOWERS], requests[request + 1, FOLLOWERS]):
            at_us = now_us + requests[followers[at], THINK]
            push(later, notes[COUNT, IN_LATER], at_us, followers[at], 0)
            notes[COUNT, IN_LATER] += 1


@compiled
def _enter(tasks: Whole, line: Whole, fresh: Whole, notes: Whole) -> None:
    """Put into the queue, by index, what has become ready."""
    while notes[COUNT, IN_FRESH] > 0:
        task = fresh[0, 0]
        pop(fresh, notes[COUNT, IN_FRESH])
        notes[COUNT, IN_FRESH] -= 1
        push(line, notes[COUNT, IN_LINE], tasks[task, KEY], notes[COUNT, NUMBER], task)
        notes[COUNT, IN_LINE] += 1
        notes[COUNT, NUMBER] += 1


def _make_advance(digest: str) -> Function:
    @compiled_once
    def advance(
        tasks: Whole,
        requests: Whole,
        first_successor: Whole,
        successors: Whole,
        followers: Whole,
        opened: Whole,
        gpus: Whole,
        models: Whole,
        devices: Whole,
        real: Real,
        servers: Whole,
        slots: Whole,
        line: Whole,
        endings: Whole,
        later: Whole,
        fresh: Whole,
        notes: Whole,
        span: bool,
        until_us: int,
        events: int,
    ) -> bool:
        _ = digest  # under which the compiled code is kept
        for _event in range(events):
            now_us = _next_moment(opened, endings, later, notes)
            if now_us == NOTHING or now_us > until_us:
                return False
            while _next_moment(opened, endings, later, notes) == now_us:
                while notes[COUNT, IN_ENDINGS] > 0 and endings[0, 0] == now_us:
                    task = endings[1, 0]
                    pop(endings, notes[COUNT, IN_ENDINGS])
                    notes[COUNT, IN_ENDINGS] -= 1
                    _end(
                        tasks,
                        requests,
                        first_successor,
                        successors,
                        followers,
                        gpus,
                        models,
                        devices,
                        servers,
                        endings,
                        later,
                        fresh,
                        notes,
                        task,
                        now_us,
                    )
                while notes[COUNT, IN_LATER] > 0 and later[0, 0] == now_us:
                    request = later[1, 0]
                    pop(later, notes[COUNT, IN_LATER])
                    notes[COUNT, IN_LATER] -= 1
                    _arrive(tasks, requests, models, endings, fresh, notes, request, now_us)
                at = notes[COUNT, OPENED]
                while at < opened.shape[1] and opened[0, at] == now_us:
                    _arrive(tasks, requests, models, endings, fresh, notes, opened[1, at], now_us)
                    at += 1
                notes[COUNT, OPENED] = at
            _enter(tasks, line, fresh, notes)
            while notes[COUNT, IN_LINE] > 0 and notes[COUNT, IN_IDLE] > 0:
                task = line[2, 0]
                model, estimate_us = tasks[task, MODEL], tasks[task, ESTIMATE]
                if not find(models, devices, real, servers, slots, notes, span, model, estimate_us):
                    break
                pop(line, notes[COUNT, IN_LINE])
                notes[COUNT, IN_LINE] -= 1
                size = models[model, SIZE]
                switch_us = bring(models, devices, real, slots, notes, model, notes[BEST], size)
                for k in range(size):
                    _take(devices, servers, notes, notes[BEST, k])
                    gpus[task, k] = notes[BEST, k]
                tasks[task, START], tasks[task, SWITCH] = now_us, switch_us
                end_us = now_us + switch_us
                end_us += scaled(devices, real, tasks[task, DURATION], notes[BEST], size)
                push(endings, notes[COUNT, IN_ENDINGS], end_us, task, 0)
                notes[COUNT, IN_ENDINGS] += 1
        return True

    return advance


_FILES = sorted(Path(__file__).parent.glob("*.py"))

advance = _make_advance(blake2b(b"".join(map(Path.read_bytes, _FILES))).hexdigest())
"""Go on by some events; return whether there are more of them. Compiled at the first call."""
