"""What an import is asked for, and what it gives: a configuration and a stream of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from fedloom.errors import InputError
from fedloom.workload.request import Request
from fedloom.workload.traces.head import Head
from fedloom.workload.units import DEFAULT_START, parse_time

__all__ = ["RELATIVE_START_US", "ImportOptions", "Imported", "Importer"]

RELATIVE_START_US = parse_time(DEFAULT_START)
"""Where the first request arrives of a trace that states no date: as in generated workloads."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What may be chosen when a trace is imported; every field has a sensible default.

    Attributes:
        start_us: when the first request arrives, microseconds since 1970; None: when the trace
            says, or `RELATIVE_START_US` where its times have no date.
        skip_seconds: leave out what arrives within this time after the trace's first arrival.
        window_seconds: keep only what arrives within this time after that; None: to the end.
        limit: keep at most this many requests, the first in time. Reading ends there where rows
            come in time order.
        time_scale: what the time between arrivals is multiplied by; 0.5 doubles the load.
            Execution times stay as they are.
        tokens_per_second: rate of generating tokens, for traces that state none.
        prefill_tokens_per_second: rate of reading the prompt; None: it takes no time.
        memory_gb: of each language model.
        gpus_required: of each language model or function; None: 1 and 0.
        gpu_memory_gb: of the GPU that a cluster's job ran on; None: what its type has, or 16.
        keep_failures: keep requests that the trace says have failed.

    Raises:
        InputError: a number is impossible.
    """

    start_us: int | None = None
    skip_seconds: float = 0.0
    window_seconds: float | None = None
    limit: int | None = None
    time_scale: float = 1.0
    tokens_per_second: float = 50.0
    prefill_tokens_per_second: float | None = 5_000.0
    memory_gb: float = 16.0
    gpus_required: int | None = None
    gpu_memory_gb: float | None = None
    keep_failures: bool = False

    def __post_init__(self) -> None:
        for name in ("time_scale", "tokens_per_second", "memory_gb"):
            _check(name, getattr(self, name), getattr(self, name) > 0, "a number above 0")
        for name in ("prefill_tokens_per_second", "gpu_memory_gb", "window_seconds", "limit"):
            if (value := getattr(self, name)) is not None:
                _check(name, value, value > 0, "a number above 0")
        _check("skip_seconds", self.skip_seconds, self.skip_seconds >= 0, "a number from 0 on")
        if self.gpus_required is not None:
            _check("gpus_required", self.gpus_required, self.gpus_required >= 0, "0, 1, 2, …")


@dataclass(slots=True)
class Imported:
    """An imported trace.

    Attributes:
        config: a configuration as files hold it, for `read_config`.
        requests: in time order; read from the files anew each time they are iterated.
        warnings: what was left out or assumed, counted by reason; complete once `requests` have
            been iterated.
    """

    config: dict[str, Any]
    requests: Iterable[Request] = ()
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Importer:
    """One kind of file that can be imported.

    Attributes:
        kind: its name on the command line.
        summary: what it reads, for people.
        read: makes the import.
        recognises: whether a file that begins so is of this kind.
    """

    kind: str
    summary: str
    read: Callable[[Sequence[Path], ImportOptions], Imported]
    recognises: Callable[[Head], bool]


def _check(name: str, value: float, right: bool, expected: str) -> None:
    if not isfinite(value) or not right:
        raise InputError(f"{name} is {value:g}; {expected} would be right")
