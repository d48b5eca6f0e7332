"""Which models are on which devices, and what it takes to bring another one there.

A model of one device is resident on that device. A gang's model is one instance on exactly the
devices of the gang: their shares differ, so another gang, though it overlaps, must load anew, and
an instance that loses one share is gone from all its devices. What is evicted is always idle: an
instance runs on all its devices at once, and only idle devices are given away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from fedloom.errors import InputError
from fedloom.scheduling.cluster.costs import TOO_LARGE, load_us, move_us
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.problem import ModelNeeds

__all__ = ["Eviction", "EvictionOrder", "Instance", "Move", "Residency", "instance_of"]

Instance: TypeAlias = str | tuple[str, tuple[int, ...]]
"""A resident model: its id, for a gang's model with the devices, ascending."""


class EvictionOrder(Protocol):
    """In which order the models of a device may be evicted; what it leaves out stays."""

    def __call__(self, resident: Sequence[str], gpu: int) -> Sequence[str]:
        """Return the models in order; `resident` has the least recently used first."""
        ...


Eviction: TypeAlias = tuple[int, Instance]
"""An instance that must go, behind its device; a gang's, which goes everywhere, behind -1."""

_EVERYWHERE = -1


class Move(NamedTuple):
    """What bringing a model somewhere takes.

    Attributes:
        switch_us: the longest time that one of the devices needs.
        evicted: what must go.
    """

    switch_us: int
    evicted: Sequence[Eviction] = ()


def instance_of(model: str, gpus: tuple[int, ...]) -> Instance:
    """Return the instance that a task needs on some devices, which are ascending."""
    return model if len(gpus) == 1 else (model, gpus)


class Residency:
    """The models on the devices of a cluster; at first none.

    Args:
        cluster: the devices.
        models: all models that may be asked for.
        order: of eviction; None: the least recently used goes first.
    """

    def __init__(
        self, cluster: Cluster, models: Iterable[ModelNeeds], order: EvictionOrder | None = None
    ) -> None:
        self._order = order
        self._links = [gpu.link_gb_per_s for gpu in cluster.gpus]
        # In the order of use, the least recently used first: a start takes its model to the end.
        self._residents: list[dict[Instance, int]] = [{} for _ in cluster.gpus]
        self._free_mb = [gpu.memory_mb for gpu in cluster.gpus]
        self._gangs: dict[str, dict[tuple[int, ...], None]] = {}
        kinds = {(gpu.memory_mb, gpu.link_gb_per_s) for gpu in cluster.gpus}
        overhead_us = cluster.switch_overhead_us
        tables = {
            (memory, link): {
                model.model_id: load_us(model, link, overhead_us)
                if model.memory_mb <= memory
                else TOO_LARGE
                for model in models
            }
            for memory, link in sorted(kinds)
        }
        self._load_us = [tables[gpu.memory_mb, gpu.link_gb_per_s] for gpu in cluster.gpus]

    def on(self, gpu: int) -> dict[Instance, int]:
        """Return the instances on a device with their MB there, the least recently used first."""
        return self._residents[gpu]

    def models_on(self, gpu: int) -> Mapping[str, int]:
        """Return the models on a device with their MB there, the least recently used first."""
        models: dict[str, int] = {}
        for instance, mb in self._residents[gpu].items():
            model = instance if isinstance(instance, str) else instance[0]
            models[model] = models.get(model, 0) + mb
        return models

    def gangs_of(self, model: str) -> Iterable[tuple[int, ...]]:
        """Return the sets of devices on which a gang's model is resident."""
        return self._gangs.get(model, ())

    def fits(self, model: str, gpu: int) -> bool:
        """Return whether a model's share could ever fit on a device."""
        return self._load_us[gpu][model] != TOO_LARGE

    def plan(self, model: str, share_mb: int, gpus: tuple[int, ...]) -> Move | None:
        """Return what bringing a model to devices takes; None: there is no room to be made.

        Args:
            model: which.
            share_mb: what it occupies on each device.
            gpus: the devices, ascending.
        """
        if instance_of(model, gpus) in self._residents[gpus[0]]:
            return Move(0)
        evicted: dict[Eviction, None] = {}
        for gpu in gpus:
            if self._load_us[gpu][model] == TOO_LARGE:
                return None
            if self._free_mb[gpu] < share_mb and not self._make_room(gpu, share_mb, evicted):
                return None
        if len(gpus) == 1:
            return Move(self._switch_us(model, gpus[0], evicted), tuple(evicted))
        return Move(max(self._switch_us(model, gpu, evicted) for gpu in gpus), tuple(evicted))

    def bring(self, model: str, share_mb: int, gpus: tuple[int, ...]) -> Move | None:
        """Carry out what `plan` says and return it; None: there is no room to be made."""
        move = self.plan(model, share_mb, gpus)
        if move is None:
            return None
        for gpu, instance in move.evicted:
            self._drop(gpu, instance)
        instance = instance_of(model, gpus)
        for gpu in gpus:
            residents = self._residents[gpu]
            if residents.pop(instance, None) is None:
                self._free_mb[gpu] -= share_mb
            residents[instance] = share_mb
        if len(gpus) > 1:
            self._gangs.setdefault(model, {})[gpus] = None
        return move

    def _make_room(self, gpu: int, share_mb: int, evicted: dict[Eviction, None]) -> bool:
        """Add to `evicted` what must go from a device; return whether that is enough."""
        residents = self._residents[gpu]
        shared = [instance for at, instance in evicted if at == _EVERYWHERE]
        free_mb = self._free_mb[gpu] + sum(residents.get(instance, 0) for instance in shared)
        for instance in self._evictable(gpu):
            if free_mb >= share_mb:
                return True
            if instance not in shared:
                evicted[gpu if isinstance(instance, str) else _EVERYWHERE, instance] = None
                free_mb += residents[instance]
        return free_mb >= share_mb

    def _evictable(self, gpu: int) -> Iterable[Instance]:
        if self._order is None:
            return self._residents[gpu]
        by_model: dict[str, list[Instance]] = {}
        for instance in self._residents[gpu]:
            model = instance if isinstance(instance, str) else instance[0]
            by_model.setdefault(model, []).append(instance)
        order: Any = self._order(list(by_model), gpu)
        try:
            order = list(dict.fromkeys(order))
        except TypeError:
            raise InputError(
                f"evict() gives {order!r}; it is to give the models that may leave, in order"
            ) from None
        for model in order:
            if model not in by_model:
                raise InputError(f"evict() names {model!r}, which is not on GPU {gpu}")
        return [instance for model in order for instance in by_model[model]]

    def _switch_us(self, model: str, gpu: int, evicted: Iterable[Eviction]) -> int:
        switch_us = self._load_us[gpu][model]
        if evicted:
            residents = self._residents[gpu]
            gone = (instance for at, instance in evicted if at in (gpu, _EVERYWHERE))
            out_mb = sum(residents.get(instance, 0) for instance in gone)
            switch_us += move_us(out_mb, self._links[gpu])
        return switch_us

    def _drop(self, gpu: int, instance: Instance) -> None:
        gpus = (gpu,) if isinstance(instance, str) else instance[1]
        for each in gpus:
            self._free_mb[each] += self._residents[each].pop(instance)
        if not isinstance(instance, str):
            del self._gangs[instance[0]][gpus]
