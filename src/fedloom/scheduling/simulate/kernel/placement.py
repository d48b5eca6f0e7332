"""Where a task ends first: `LiveDevices.find` as plain loops."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.cluster.costs import TOO_LARGE
from fedloom.scheduling.simulate.kernel.jit import compiled
from fedloom.scheduling.simulate.kernel.layout import (
    BEST,
    BY_SERVER,
    CHOSEN,
    COST,
    COUNT,
    FIRST_DEVICE,
    GANG_MODEL,
    IDLE,
    IDLE_HERE,
    IN_IDLE,
    IN_SLOTS,
    LEAST_STAMP,
    LEAST_US,
    MEMBERS,
    ONE,
    PLACE,
    SEATS,
    SERVER,
    SIZE,
    SLOTS,
    SPEED,
    STAMP,
    TAKEN,
)
from fedloom.scheduling.simulate.kernel.residency import cost, plan

__all__ = ["find", "scaled"]

Whole = NDArray[np.int64]
Real = NDArray[np.float64]

_NONE = np.iinfo(np.int64).max


@compiled
def scaled(devices: Whole, real: Real, duration_us: int, gpus: Whole, size: int) -> int:
    """Return how long something executes on the first `size` of some devices."""
    slowest, slowdown = real[gpus[0], SPEED], 1.0
    for k in range(1, size):
        slowest = min(slowest, real[gpus[k], SPEED])
        if devices[gpus[k], SERVER] != devices[gpus[0], SERVER]:
            slowdown = real[len(devices), SPEED]
    if slowest == 1.0 and slowdown == 1.0:
        return duration_us
    return int(np.rint(duration_us / slowest * slowdown))


@compiled
def find(
    models: Whole,
    devices: Whole,
    real: Real,
    servers: Whole,
    slots: Whole,
    notes: Whole,
    span: bool,
    model: int,
    estimate_us: int,
) -> bool:
    """Note as best the devices on which a task ends first; return whether there are any."""
    if notes[COUNT, IN_IDLE] < models[model, SIZE]:
        return False
    if models[model, SIZE] == 1:
        return bool(_find_one(models, devices, real, slots, notes, model, estimate_us))
    notes[COUNT, LEAST_US] = _NONE
    _try_resident(models, devices, real, slots, notes, model, estimate_us)
    for server in range(len(servers) - 1):
        if servers[server, IDLE_HERE] >= models[model, SIZE]:
            seats = 0
            for at in range(servers[server, FIRST_DEVICE], servers[server + 1, FIRST_DEVICE]):
                gpu = devices[at, BY_SERVER]
                seats = _seat(models, devices, real, slots, notes, model, gpu, seats)
            _try_seats(models, devices, real, slots, notes, model, estimate_us, seats)
    if span:
        seats = 0
        for at in range(notes[COUNT, IN_IDLE]):
            gpu = devices[at, IDLE]
            seats = _seat(models, devices, real, slots, notes, model, gpu, seats)
        _try_seats(models, devices, real, slots, notes, model, estimate_us, seats)
    return bool(notes[COUNT, LEAST_US] != _NONE)


@compiled
def _find_one(
    models: Whole,
    devices: Whole,
    real: Real,
    slots: Whole,
    notes: Whole,
    model: int,
    estimate_us: int,
) -> bool:
    best_us, best_stamp, best = _NONE, _NONE, -1
    for at in range(notes[COUNT, IN_IDLE]):
        gpu = devices[at, IDLE]
        switch_us = cost(models, devices, real, slots, notes, model, gpu)
        if switch_us == TOO_LARGE:
            continue
        notes[ONE, 0] = gpu
        end_us = switch_us + scaled(devices, real, estimate_us, notes[ONE], 1)
        stamp = devices[gpu, STAMP]
        if end_us < best_us or (end_us == best_us and stamp < best_stamp):
            best_us, best_stamp, best = end_us, stamp, gpu
    notes[BEST, 0] = best
    return best >= 0


@compiled
def _try_resident(
    models: Whole,
    devices: Whole,
    real: Real,
    slots: Whole,
    notes: Whole,
    model: int,
    estimate_us: int,
) -> None:
    """Consider the devices that hold a gang's model."""
    for at in range(notes[COUNT, IN_SLOTS]):
        slot = slots[at, SLOTS]
        if slots[slot, GANG_MODEL] == model:
            idle = True
            for k in range(models[model, SIZE]):
                notes[CHOSEN, k] = slots[slot, MEMBERS + k]
                idle = idle and devices[notes[CHOSEN, k], PLACE] >= 0
            if idle:
                _compare(models, devices, real, slots, notes, model, estimate_us)


@compiled
def _seat(
    models: Whole,
    devices: Whole,
    real: Real,
    slots: Whole,
    notes: Whole,
    model: int,
    gpu: int,
    seats: int,
) -> int:
    """List a device with what the model costs on it by itself, if it is idle and large enough."""
    if devices[gpu, PLACE] < 0:
        return seats
    cost_us = cost(models, devices, real, slots, notes, model, gpu)
    if cost_us == TOO_LARGE:
        return seats
    devices[seats, SEATS], devices[seats, COST] = gpu, cost_us
    return seats + 1


@compiled
def _try_seats(
    models: Whole,
    devices: Whole,
    real: Real,
    slots: Whole,
    notes: Whole,
    model: int,
    estimate_us: int,
    seats: int,
) -> None:
    """Consider the cheapest devices for each speed that the slowest may have."""
    for at in range(seats):
        speed, seen = real[devices[at, SEATS], SPEED], False
        for earlier in range(at):
            seen = seen or real[devices[earlier, SEATS], SPEED] == speed
        if not seen and _choose(devices, real, notes, seats, models[model, SIZE], speed):
            _compare(models, devices, real, slots, notes, model, estimate_us)


@compiled
def _choose(devices: Whole, real: Real, notes: Whole, seats: int, size: int, speed: float) -> bool:
    """Choose the cheapest devices of at least a speed, ascending; return whether there are."""
    for at in range(seats):
        devices[at, TAKEN] = 0
    for k in range(size):
        best = -1
        for at in range(seats):
            usable = devices[at, TAKEN] == 0 and real[devices[at, SEATS], SPEED] >= speed
            if usable and (best < 0 or _is_cheaper(devices, at, best)):
                best = at
        if best < 0:
            return False
        devices[best, TAKEN] = 1
        gpu, place = devices[best, SEATS], k
        while place > 0 and notes[CHOSEN, place - 1] > gpu:
            notes[CHOSEN, place] = notes[CHOSEN, place - 1]
            place -= 1
        notes[CHOSEN, place] = gpu
    return True


@compiled
def _is_cheaper(devices: Whole, a: int, b: int) -> bool:
    if devices[a, COST] != devices[b, COST]:
        return bool(devices[a, COST] < devices[b, COST])
    return bool(devices[devices[a, SEATS], STAMP] < devices[devices[b, SEATS], STAMP])


@compiled
def _compare(
    models: Whole,
    devices: Whole,
    real: Real,
    slots: Whole,
    notes: Whole,
    model: int,
    estimate_us: int,
) -> None:
    """Note the chosen devices as best if a task ends first there."""
    size = models[model, SIZE]
    end_us = plan(models, devices, real, slots, notes, model, notes[CHOSEN], size)
    end_us += scaled(devices, real, estimate_us, notes[CHOSEN], size)
    stamp = devices[notes[CHOSEN, 0], STAMP]
    for k in range(1, size):
        stamp = max(stamp, devices[notes[CHOSEN, k], STAMP])
    order = end_us - notes[COUNT, LEAST_US]
    if order == 0:
        order = stamp - notes[COUNT, LEAST_STAMP]
    for k in range(size):
        if order == 0:
            order = notes[CHOSEN, k] - notes[BEST, k]
    if order < 0:
        notes[COUNT, LEAST_US], notes[COUNT, LEAST_STAMP] = end_us, stamp
        for k in range(size):
            notes[BEST, k] = notes[CHOSEN, k]
