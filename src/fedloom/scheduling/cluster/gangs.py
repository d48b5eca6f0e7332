"""Where a gang could start: the sets of idle devices that are worth a look.

There are too many sets to try them all. Offered are those that already hold the gang's model, for
each server its cheapest devices and, where gangs may span, the cheapest of the whole cluster; once
for each speed that the slowest device may have. The cheapest are those that pay least by themselves
to have the model brought to them; of equal ones, those that have been idle longest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import NamedTuple

from fedloom.scheduling.cluster.costs import TOO_LARGE
from fedloom.scheduling.cluster.description import Cluster
from fedloom.scheduling.cluster.idle import IdleDevices
from fedloom.scheduling.cluster.residency import Residency
from fedloom.scheduling.task import Task

__all__ = ["GangOffer", "GangOffers"]


class GangOffer(NamedTuple):
    """Devices on which a gang could start now.

    Attributes:
        gpus: the devices, ascending.
        switch_us: what bringing the model there takes.
        speed: of the slowest.
        stamp: of the one that became idle last.
        spans: whether they stand in several servers.
    """

    gpus: tuple[int, ...]
    switch_us: int
    speed: float
    stamp: int
    spans: bool


class _Offers(NamedTuple):
    """What one server offers a model: everything, and the best for each speed of the slowest."""

    every: list[GangOffer]
    best: list[GangOffer]


class GangOffers:
    """Finds what gangs are offered, and remembers it server by server.

    Args:
        cluster: the devices.
        residency: what is on them.
        idle: which are idle.
        keep_costs: whether what a model costs follows from the devices' states alone.
    """

    def __init__(
        self, cluster: Cluster, residency: Residency, idle: IdleDevices, *, keep_costs: bool
    ) -> None:
        self._allow_span = cluster.allow_span
        self._residency = residency
        self._idle = idle
        self._keep_costs = keep_costs
        self._speeds = [gpu.speed for gpu in cluster.gpus]
        self._servers = [gpu.server for gpu in cluster.gpus]
        self._of_server: list[dict[str, _Offers]] = [{} for _ in cluster.servers]

    def forget(self, gpus: Iterable[int]) -> None:
        """Take note that devices are idle no longer, or anew, or have lost an instance."""
        for gpu in gpus:
            self._of_server[self._servers[gpu]].clear()

    def best(self, task: Task) -> Iterator[GangOffer]:
        """Yield offers among which is the one where any task of this model ends first."""
        for server in self._idle.servers_with(task.gpus):
            yield from self._from_server(task, server).best
        if self._allow_span:
            yield from self._from_all(task)

    def unlike(self, task: Task) -> list[GangOffer]:
        """Return what a task is offered, of alike sets the one that has been idle longest."""
        servers = self._idle.servers_with(task.gpus)
        offers = [offer for server in servers for offer in self._from_server(task, server).every]
        if self._allow_span:
            offers += self._from_all(task)
        kept: dict[object, GangOffer] = {}
        for offer in sorted(offers, key=_age):
            keys = sorted(id(self._idle.state(gpu)) for gpu in offer.gpus)
            kept.setdefault((offer.switch_us, offer.spans, *keys), offer)
        return list(kept.values())

    def _from_server(self, task: Task, server: int) -> _Offers:
        known = self._of_server[server].get(task.model)
        if known is None:
            idle = self._idle.by_server[server]
            every = [*self._resident(task, idle), *self._cheapest(task, idle)]
            best: dict[float, GangOffer] = {}
            for offer in sorted(every, key=lambda offer: (offer.switch_us, _age(offer))):
                best.setdefault(offer.speed, offer)
            known = _Offers(every, list(best.values()))
            if self._keep_costs:
                self._of_server[server][task.model] = known
        return known

    def _from_all(self, task: Task) -> Iterator[GangOffer]:
        """Yield what spans servers."""
        for gpus in self._residency.gangs_of(task.model):
            if all(gpu in self._idle.stamps for gpu in gpus):
                yield self._offer(gpus, 0)
        # Of alike devices no more are of use than the gang has.
        few = chain.from_iterable(islice(state.gpus, task.gpus) for state in self._idle.states)
        yield from (offer for offer in self._cheapest(task, few) if offer.spans)

    def _resident(self, task: Task, idle: Mapping[int, None]) -> Iterator[GangOffer]:
        """Yield the gangs that hold the model on idle devices of one server."""
        for gpu in idle:
            for instance in self._residency.on(gpu):
                if not isinstance(instance, str) and instance[0] == task.model:
                    gpus = instance[1]
                    if gpus[0] == gpu and all(each in idle for each in gpus):
                        yield self._offer(gpus, 0)

    def _cheapest(self, task: Task, idle: Iterable[int]) -> list[GangOffer]:
        """Return, for each speed of the slowest, the cheapest of some idle devices."""
        seats = []
        for gpu in idle:
            cost_us = self._idle.cost_us(task.model, task.memory_mb, gpu)
            if cost_us != TOO_LARGE:
                seats.append((cost_us, self._idle.stamps[gpu], gpu))
        seats.sort()
        offers = []
        for speed in {self._speeds[gpu]: None for _, _, gpu in seats}:
            gpus = [gpu for _, _, gpu in seats if self._speeds[gpu] >= speed][: task.gpus]
            if len(gpus) == task.gpus:
                chosen = tuple(sorted(gpus))
                move = self._residency.plan(task.model, task.memory_mb, chosen)
                if move is not None:
                    offers.append(self._offer(chosen, move.switch_us))
        return offers

    def _offer(self, gpus: tuple[int, ...], switch_us: int) -> GangOffer:
        first = self._servers[gpus[0]]
        return GangOffer(
            gpus,
            switch_us,
            min(self._speeds[gpu] for gpu in gpus),
            max(self._idle.stamps[gpu] for gpu in gpus),
            any(self._servers[gpu] != first for gpu in gpus),
        )


def _age(offer: GangOffer) -> tuple[int, tuple[int, ...]]:
    return offer.stamp, offer.gpus
