"""A row of a trace, whatever its format: when it came, what it called, how long it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Job", "TraceModel"]

_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class TraceModel:
    """What a trace's rows run on; becomes a service model.

    Attributes:
        model_id: its key in the configuration.
        type: ``llm``, ``job``, ``image_generation``, ``utility``, …
        memory_gb: of the whole model.
        gpus_required: 0, 1, or the size of the gang.
        load_time_seconds: what bringing it onto its devices takes.
        node: the only node of its workflows.
        measured: whether its times were measured, rather than derived from tokens.
    """

    model_id: str
    type: str
    memory_gb: float
    gpus_required: int
    load_time_seconds: float = 0.0
    node: str = "run"
    measured: bool = False


@dataclass(slots=True)
class Job:
    """One row.

    Attributes:
        time_us: its arrival; microseconds since 1970, or since the start of the trace.
        workflow: the workflow that it becomes a request of.
        model: what it runs on; the same for all jobs of a workflow.
        duration_us: how long it runs.
        request_id: what the trace calls it; empty: it is numbered.
        tenant: whose it is; empty: not stated.
        priority: larger is more urgent; None: not stated.
        tokens: input and output; None: it has none.
        options: option → value of its node.
        extra: what else the trace says, kept in the request's metadata.
    """

    time_us: int
    workflow: str
    model: TraceModel
    duration_us: int
    request_id: str = ""
    tenant: str = ""
    priority: int | None = None
    tokens: tuple[int, int] | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
