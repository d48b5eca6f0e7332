"""Chrome's trace events of requests, for Perfetto and chrome://tracing.

One process per tenant, or per workflow where there are no tenants. A request is a slice; its nodes
lie below it as they would run if nothing else held them up; nodes side by side lie on neighbouring
tracks. Format: "Trace Event Format", complete (``X``) and metadata (``M``) events.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

from fedloom.files import open_replacing
from fedloom.workload.config.workflow import Workflow
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.traces.export.calls import NodeSpan, node_spans, workflow_of_request

__all__ = ["export_chrome"]

Event = dict[str, Any]


def export_chrome(requests: Iterable[Request], config: WorkloadConfig, path: Path) -> int:
    """Write requests as trace events; times are microseconds since the first request.

    Raises:
        InputError: the configuration lacks a request's workflow, or a request a node's time.
    """
    tracks = _Tracks(config)
    with open_replacing(path) as file:
        file.write(b'{"displayTimeUnit":"ms","traceEvents":[')
        separator = "\n"
        for request in requests:
            for event in tracks.events(request):
                line = separator + json.dumps(event, ensure_ascii=False, separators=(",", ":"))
                file.write(line.encode())
                separator = ",\n"
        file.write(b"\n]}\n")
    return tracks.count


@dataclass(slots=True)
class _Lanes:
    """The tracks of a process; each holds one request at a time."""

    made: int = 0
    free: list[int] = field(default_factory=list)
    busy: list[tuple[int, int]] = field(default_factory=list)

    def take(self, start_us: int, end_us: int) -> int:
        """Return the lowest track that is free from `start_us` on, and hold it."""
        while self.busy and self.busy[0][0] <= start_us:
            heappush(self.free, heappop(self.busy)[1])
        if not self.free:
            heappush(self.free, self.made)
            self.made += 1
        lane = heappop(self.free)
        heappush(self.busy, (end_us, lane))
        return lane


@dataclass(slots=True)
class _Tracks:
    config: WorkloadConfig
    count: int = 0
    first_us: int = 0
    processes: dict[str, int] = field(default_factory=dict)
    lanes: dict[str, _Lanes] = field(default_factory=dict)

    def events(self, request: Request) -> Iterator[Event]:
        """Yield the events of a request."""
        workflow = workflow_of_request(request, self.config)
        if not self.count:
            self.first_us = request.time_us
        self.count += 1
        whose = str(request.metadata.get("tenant") or request.workflow_id)
        if whose not in self.processes:
            self.processes[whose] = len(self.processes) + 1
            self.lanes[whose] = _Lanes()
            yield _event("process_name", "M", self.processes[whose], 0, args={"name": whose})
        start = request.time_us - self.first_us
        rows = _side_by_side(node_spans(request, workflow))
        length = max(span.end_us for row in rows for span in row)
        taken = [self.lanes[whose].take(start, start + max(length, 1)) for _ in rows]
        process = self.processes[whose]
        whole = {"ts": start, "dur": length, "cat": "request", "args": _about(request)}
        yield _event(request.request_id, "X", process, taken[0], **whole)
        for lane, row in zip(taken, rows, strict=True):
            for span in row:
                yield self._node(request, workflow, span, start) | {"pid": process, "tid": lane}

    def _node(self, request: Request, workflow: Workflow, span: NodeSpan, start: int) -> Event:
        node = workflow.nodes[span.position]
        model = self.config.models[node.model_id]
        args = {
            "request": request.request_id,
            "model": model.model_id,
            "gpus": model.gpus_required,
            **request.node_configs.get(node.node_id, {}),
            **(request.metadata.get("node_tokens") or {}).get(node.node_id, {}),
        }
        length = span.end_us - span.start_us
        when = {"ts": start + span.start_us, "dur": length, "cat": model.type, "args": args}
        return _event(node.node_id, "X", 0, 0, **when)


def _event(name: str, phase: str, process: int, track: int, **more: Any) -> Event:
    return {"name": name, "ph": phase, "pid": process, "tid": track, **more}


def _about(request: Request) -> dict[str, Any]:
    kept = ("tenant", "priority", "deadline", "total_estimated_time", "critical_path_time")
    about = {name: request.metadata[name] for name in kept if name in request.metadata}
    return {"workflow": request.workflow_id, "arrival": request.timestamp} | about


def _side_by_side(spans: list[NodeSpan]) -> list[list[NodeSpan]]:
    """Spread spans, given by start, over as few rows as keep them from overlapping."""
    rows: list[list[NodeSpan]] = []
    for span in spans:
        for row in rows:
            if row[-1].end_us <= span.start_us:
                row.append(span)
                break
        else:
            rows.append([span])
    return rows
