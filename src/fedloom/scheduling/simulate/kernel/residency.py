"""Which models are on which devices: `fedloom.scheduling.cluster.residency` as plain loops.

An instance is a number: the position of a model that takes one device, or the number of models plus
the slot of a gang. What tables hold stands in `fedloom.scheduling.simulate.kernel.layout`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedloom.scheduling.cluster.costs import TOO_LARGE
from fedloom.scheduling.simulate.kernel.jit import compiled
from fedloom.scheduling.simulate.kernel.layout import (
    AT,
    COUNT,
    EVICTED,
    EVICTED_FROM,
    FREE,
    GANG_MODEL,
    HELD,
    IN_EVICTED,
    IN_SLOTS,
    LINK,
    LOADS,
    MEMBERS,
    ONE,
    RESIDENTS,
    SHARE,
    SIZE,
    SLOTS,
    UNKNOWN,
)

__all__ = ["bring", "cost", "plan"]

Whole = NDArray[np.int64]
Real = NDArray[np.float64]


@compiled
def _mb(models: Whole, slots: Whole, instance: int) -> int:
    if instance < len(models):
        return int(models[instance, SHARE])
    return int(models[slots[instance - len(models), GANG_MODEL], SHARE])


@compiled
def _holds(devices: Whole, gpu: int, instance: int) -> bool:
    found = False
    for at in range(RESIDENTS, RESIDENTS + devices[gpu, HELD]):
        found = found or devices[gpu, at] == instance
    return found


@compiled
def _find(models: Whole, devices: Whole, slots: Whole, model: int, gpus: Whole, size: int) -> int:
    """Return the instance of a model on exactly these devices; -1: it is not resident."""
    gpu = gpus[0]
    for at in range(RESIDENTS, RESIDENTS + devices[gpu, HELD]):
        instance = devices[gpu, at]
        if size == 1 and instance == model:
            return int(instance)
        slot = instance - len(models)
        if size > 1 and slot >= 0 and slots[slot, GANG_MODEL] == model:
            same = True
            for k in range(size):
                same = same and slots[slot, MEMBERS + k] == gpus[k]
            if same:
                return int(instance)
    return -1


@compiled
def plan(
    models: Whole,
    devices: Whole,
    real: Real,
    slots: Whole,
    notes: Whole,
    model: int,
    gpus: Whole,
    size: int,
) -> int:
    """Return what bringing a model to devices takes, and note what it evicts.

    `TOO_LARGE`: it cannot be. The devices are the first `size` of `gpus`, ascending.
    """
    notes[COUNT, IN_EVICTED] = 0
    if _find(models, devices, slots, model, gpus, size) >= 0:
        return 0
    for k in range(size):
        if models[model, LOADS + gpus[k]] == TOO_LARGE:
            return TOO_LARGE
        if devices[gpus[k], FREE] < models[model, SHARE]:
            _make_room(models, devices, slots, notes, gpus[k], models[model, SHARE])
    longest = 0
    for k in range(size):
        switch_us = models[model, LOADS + gpus[k]]
        if notes[COUNT, IN_EVICTED] > 0:
            out_mb = _leaving_mb(models, devices, slots, notes, gpus[k])
            switch_us += np.int64(np.rint(out_mb * 1000 / real[gpus[k], LINK]))
        longest = max(longest, switch_us)
    return longest


@compiled
def cost(
    models: Whole, devices: Whole, real: Real, slots: Whole, notes: Whole, model: int, gpu: int
) -> int:
    """Return what bringing a model to a device by itself takes; it is remembered."""
    at = devices.shape[1] - len(models) + model
    if devices[gpu, at] == UNKNOWN:
        notes[ONE, 0] = gpu
        devices[gpu, at] = plan(models, devices, real, slots, notes, model, notes[ONE], 1)
    return int(devices[gpu, at])


@compiled
def _forget_costs(models: Whole, devices: Whole, gpu: int) -> None:
    for at in range(devices.shape[1] - len(models), devices.shape[1]):
        devices[gpu, at] = UNKNOWN


@compiled
def _leaving_mb(models: Whole, devices: Whole, slots: Whole, notes: Whole, gpu: int) -> int:
    """Return how much of what is evicted is on a device."""
    out_mb = 0
    for e in range(notes[COUNT, IN_EVICTED]):
        instance, here = notes[EVICTED, e], notes[EVICTED_FROM, e] == gpu
        if instance >= len(models):
            here = _holds(devices, gpu, instance)
        if here:
            out_mb += _mb(models, slots, instance)
    return out_mb


@compiled
def _make_room(
    models: Whole, devices: Whole, slots: Whole, notes: Whole, gpu: int, share_mb: int
) -> None:
    """Note what must go from a device, the least recently used first."""
    before = notes[COUNT, IN_EVICTED]
    free_mb = devices[gpu, FREE] + _leaving_mb(models, devices, slots, notes, gpu)
    for at in range(RESIDENTS, RESIDENTS + devices[gpu, HELD]):
        if free_mb >= share_mb:
            return
        instance, goes = devices[gpu, at], False
        for e in range(before):
            goes = goes or (instance >= len(models) and notes[EVICTED, e] == instance)
        if not goes:
            e = notes[COUNT, IN_EVICTED]
            notes[EVICTED, e], notes[EVICTED_FROM, e] = instance, gpu
            notes[COUNT, IN_EVICTED] = e + 1
            free_mb += _mb(models, slots, instance)


@compiled
def _remove(devices: Whole, gpu: int, instance: int, mb: int) -> None:
    last = RESIDENTS + devices[gpu, HELD] - 1
    at = RESIDENTS
    while devices[gpu, at] != instance:
        at += 1
    while at < last:
        devices[gpu, at] = devices[gpu, at + 1]
        at += 1
    devices[gpu, HELD] -= 1
    devices[gpu, FREE] += mb


@compiled
def _evict(
    models: Whole, devices: Whole, slots: Whole, notes: Whole, gpu: int, instance: int
) -> None:
    mb = _mb(models, slots, instance)
    if instance < len(models):
        _remove(devices, gpu, instance, mb)
        return
    slot = instance - len(models)
    for k in range(models[slots[slot, GANG_MODEL], SIZE]):
        _remove(devices, slots[slot, MEMBERS + k], instance, mb)
        _forget_costs(models, devices, slots[slot, MEMBERS + k])
    # The slot changes places with the last one in use.
    notes[COUNT, IN_SLOTS] -= 1
    end, at = notes[COUNT, IN_SLOTS], slots[slot, AT]
    other = slots[end, SLOTS]
    slots[end, SLOTS], slots[at, SLOTS] = slot, other
    slots[slot, AT], slots[other, AT] = end, at


@compiled
def bring(
    models: Whole,
    devices: Whole,
    real: Real,
    slots: Whole,
    notes: Whole,
    model: int,
    gpus: Whole,
    size: int,
) -> int:
    """Bring a model to devices, which must be possible; return what it takes."""
    switch_us = plan(models, devices, real, slots, notes, model, gpus, size)
    for e in range(notes[COUNT, IN_EVICTED]):
        _evict(models, devices, slots, notes, notes[EVICTED_FROM, e], notes[EVICTED, e])
    mb = models[model, SHARE]
    instance = _find(models, devices, slots, model, gpus, size)
    if instance >= 0:
        for k in range(size):
            _remove(devices, gpus[k], instance, mb)
    elif size == 1:
        instance = model
    else:
        slot = slots[notes[COUNT, IN_SLOTS], SLOTS]
        notes[COUNT, IN_SLOTS] += 1
        slots[slot, GANG_MODEL] = model
        for k in range(size):
            slots[slot, MEMBERS + k] = gpus[k]
        instance = len(models) + slot
    for k in range(size):
        devices[gpus[k], RESIDENTS + devices[gpus[k], HELD]] = instance
        devices[gpus[k], HELD] += 1
        devices[gpus[k], FREE] -= mb
        _forget_costs(models, devices, gpus[k])
    return int(switch_us)
