"""Azure's trace of coding assistants: JSON lines, a session of turns per line.

Each call of a language model becomes a request with its measured duration, and each batch of tools
a request of the utility workflow ``tools``, which runs beside the GPUs. ``session_id``, ``turn``,
``message_id`` (of a batch: that of the call it follows), ``result`` and ``cached_tokens`` are kept
in the metadata. Sessions overlap, so the trace is sorted in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job, TraceModel
from fedloom.workload.traces.json_list import objects_in
from fedloom.workload.traces.llm.calls import CallMaker
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import json_rows
from fedloom.workload.traces.values import read_count, read_number, read_time

__all__ = ["AZURE_COPILOT"]

_TOOLS = TraceModel("tools", "utility", 1.0, 0)


def _recognises(head: Head) -> bool:
    return {"session_id", "turns"} <= set(head.record)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    calls = CallMaker(reading.options)
    for number, session in json_rows(path, ("session_id", "turns")):
        place = f"line {number}"
        for position, turn in enumerate(objects_in(session, "turns", path, place)):
            where = {"session_id": session["session_id"], "turn": position}
            for call in objects_in(turn, "llm_calls", path, place):
                if _timed(call, reading):
                    yield _call(calls, call, where, path, place)
            for batch in objects_in(turn, "tool_batches", path, place):
                if _timed(batch, reading):
                    yield _tools(batch, where, path, place)


def _timed(event: Mapping[str, Any], reading: Reading) -> bool:
    timed = event.get("timestamp") is not None and event.get("duration_ms") is not None
    if not timed:
        reading.skip("a call or batch without timestamp or duration_ms")
    return timed


def _call(
    calls: CallMaker, call: Mapping[str, Any], where: Mapping[str, Any], path: Path, place: str
) -> Job:
    time_us, duration_us = _span(call, path, place)
    tokens = call.get("tokens")
    tokens = tokens if isinstance(tokens, dict) else {}
    given, made, cached = (
        read_count(tokens.get(name) or 0, path, place, f"tokens.{name}")
        for name in ("prompt", "completion", "cached")
    )
    model = str(call.get("model") or "llm")
    extra = {**where, **_kept(call, "message_id"), "cached_tokens": cached}
    return calls.make(
        time_us, model, (given, made), model=model, duration_us=duration_us, extra=extra
    )


def _tools(batch: dict[str, Any], where: Mapping[str, Any], path: Path, place: str) -> Job:
    time_us, duration_us = _span(batch, path, place)
    called = objects_in(batch, "function_calls", path, place)
    extra = {**where, **_kept(batch, "request_id"), "tool_calls": len(called)}
    return Job(time_us, "tools", _TOOLS, duration_us, extra=extra)


def _kept(event: Mapping[str, Any], message: str) -> dict[str, Any]:
    kept = {"message_id": event.get(message), "result": event.get("result")}
    return {name: value for name, value in kept.items() if value is not None}


def _span(event: Mapping[str, Any], path: Path, place: str) -> tuple[int, int]:
    return (
        read_time(event["timestamp"], path, place, "timestamp"),
        round(read_number(event["duration_ms"], path, place, "duration_ms") * 1_000),
    )


AZURE_COPILOT = trace_importer(
    "azure-copilot",
    "Azure coding assistants 2026 (JSON lines of sessions)",
    _recognises,
    read_file=_read,
    dated=True,
)
"""A model and a workflow per model name, and ``tools``."""
