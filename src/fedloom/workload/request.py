"""A request as files hold it: one call of a workflow, with the time each node will take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedloom.workload.units import format_time

__all__ = ["Request"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request, in the fields and the order of the request files (docs/workloads.md).

    Attributes:
        request_id: ``req_0000``, …; unique in its file.
        time_us: when it arrives, microseconds since 1970.
        workflow_id: the workflow that it calls.
        input_data: input name → value; ``user_prompt`` is the one that generated requests have.
        node_configs: node → option → value.
        node_execution_times: node → seconds on a device of speed 1.
        metadata: ``base_models_used``, ``total_estimated_time`` (sum over nodes, s),
            ``critical_path_time`` (s) and, where the configuration has them, ``tenant``,
            ``priority`` (larger is more urgent), ``deadline`` (ISO time), ``node_tokens``
            (node → ``input``/``output`` → count), and for closed loops ``after_request`` (the
            request whose end it waits for) with ``think_time`` (s).
    """

    request_id: str
    time_us: int
    workflow_id: str
    input_data: Mapping[str, Any] = field(default_factory=dict)
    node_configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    node_execution_times: Mapping[str, float] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def timestamp(self) -> str:
        """When it arrives, as an ISO time with six decimals."""
        return format_time(self.time_us)

    def to_dict(self) -> dict[str, Any]:
        """Return the request as files spell it, keys in order."""
        return {
            "request_id": self.request_id,
            "timestamp": self.timestamp,
            "workflow_id": self.workflow_id,
            "input_data": dict(self.input_data),
            "node_configs": {node: dict(options) for node, options in self.node_configs.items()},
            "node_execution_times": dict(self.node_execution_times),
            "metadata": dict(self.metadata),
        }
