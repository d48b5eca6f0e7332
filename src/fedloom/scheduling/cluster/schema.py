"""What a cluster file may say, and the cluster that it describes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fedloom.errors import InputError
from fedloom.scheduling.cluster.description import REFERENCE_LINK_GB_PER_S, Cluster, Gpu
from fedloom.workload.units import MICROSECONDS

__all__ = ["MOST_GPUS", "ClusterFile", "ServerEntry", "describe_cluster"]

MOST_GPUS = 100_000
"""The largest cluster that is read; a larger number is a slip of the keyboard."""

Ratio = Annotated[float, Field(ge=0.001, le=1e6)]
MemoryGb = Annotated[float, Field(ge=0.001, le=1e6)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class ServerEntry(_Entry):
    """Servers of one kind.

    Attributes:
        name: of the server; several of a kind are called ``name-0``, ``name-1``, …
        count: how many servers there are of this kind.
        gpus: devices in each.
        gpu_memory_gb: of each device; 1 GB is 1,000 MB.
        speed: what the time of a task is divided by.
        link_gb_per_s: how fast models move on and off a device.
    """

    name: Annotated[str, Field(min_length=1)] = "server"
    count: Annotated[int, Field(ge=1, le=MOST_GPUS)] = 1
    gpus: Annotated[int, Field(ge=1, le=MOST_GPUS)]
    gpu_memory_gb: MemoryGb
    speed: Ratio = 1.0
    link_gb_per_s: Ratio = REFERENCE_LINK_GB_PER_S

    @property
    def names(self) -> list[str]:
        """What its servers are called."""
        return [self.name] if self.count == 1 else [f"{self.name}-{n}" for n in range(self.count)]


class ClusterFile(_Entry):
    """A cluster as its file spells it.

    Attributes:
        servers: kinds of servers, in the order in which their devices are numbered.
        allow_span: whether a gang may take devices of several servers.
        span_slowdown: what the time of a gang that does is multiplied by.
        switch_overhead_seconds: added to each load whose time the configuration does not state.
    """

    servers: Annotated[list[ServerEntry], Field(min_length=1)]
    allow_span: bool = False
    span_slowdown: Annotated[float, Field(ge=1, le=1000)] = 1.0
    switch_overhead_seconds: Annotated[float, Field(ge=0, le=1e6)] = 2.0


def describe_cluster(content: Mapping[str, Any], source: str = "cluster") -> Cluster:
    """Return the cluster that a mapping in the form of a cluster file describes.

    Args:
        content: the mapping (docs/workloads.md).
        source: where it comes from, for errors.

    Raises:
        InputError: something is unknown, missing or impossible; all faults stand on one line.

    Example:
        >>> describe_cluster({"servers": [{"gpus": 2, "gpu_memory_gb": 80}]}).gpus[1].name
        'server/1'
    """
    try:
        file = ClusterFile.model_validate(dict(content))
    except ValidationError as error:
        faults = [_fault(dict(entry)) for entry in error.errors(include_url=False)]
        raise InputError(f"{source}: {_count(faults)}: {'; '.join(faults)}") from error
    names = [name for entry in file.servers for name in entry.names]
    total = sum(entry.count * entry.gpus for entry in file.servers)
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise InputError(f"{source}: servers: {repeated[0]!r} names two servers; names are unique")
    if total > MOST_GPUS:
        raise InputError(f"{source}: servers: {total:,} GPUs in all; at most are {MOST_GPUS:,}")
    return Cluster(
        gpus=_number_gpus(file),
        servers=tuple(names),
        allow_span=file.allow_span,
        span_slowdown=file.span_slowdown,
        switch_overhead_us=round(file.switch_overhead_seconds * MICROSECONDS),
    )


def _number_gpus(file: ClusterFile) -> tuple[Gpu, ...]:
    servers = [(entry, name) for entry in file.servers for name in entry.names]
    places = [(s, entry, name, k) for s, (entry, name) in enumerate(servers) for k in _each(entry)]
    return tuple(
        Gpu(
            index=index,
            name=f"{name}/{number}",
            server=server,
            memory_mb=round(entry.gpu_memory_gb * 1000),
            speed=float(entry.speed),
            link_gb_per_s=float(entry.link_gb_per_s),
        )
        for index, (server, entry, name, number) in enumerate(places)
    )


def _each(entry: ServerEntry) -> range:
    return range(entry.gpus)


def _count(faults: list[str]) -> str:
    return "1 fault" if len(faults) == 1 else f"{len(faults)} faults"


def _fault(entry: dict[str, Any]) -> str:
    """Say one fault: where, what stands there, and what would be right."""
    *outer, last = place = entry["loc"]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)[1:]
    if entry["type"] == "invalid_key":
        return f"the key {last!r} is no name"
    if entry["type"] == "extra_forbidden":
        known = list((ServerEntry if outer else ClusterFile).model_fields)
        near = get_close_matches(str(last), known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{where}: unknown key; {hint}known are {', '.join(known)}"
    if entry["type"] == "missing":
        return f"{where}: missing"
    said = str(entry["msg"])
    return f"{where}={entry['input']!r}: {said[0].lower()}{said[1:]}"
