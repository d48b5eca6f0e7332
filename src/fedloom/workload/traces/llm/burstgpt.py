"""BurstGPT: ``Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type``.

Later versions add ``Session ID`` and ``Elapsed time`` (s), kept as ``session_id`` and
``elapsed_time``. A response of 0 tokens is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.llm.calls import CallMaker
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import csv_rows
from fedloom.workload.traces.values import read_count, read_number, read_seconds

__all__ = ["BURSTGPT"]

_COLUMNS = ("Timestamp", "Model", "Request tokens", "Response tokens", "Log Type")
_OPTIONAL = ("Session ID", "Elapsed time")


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    calls = CallMaker(reading.options)
    for line, (time, model, given, made, log, session, elapsed) in csv_rows(
        path, _COLUMNS, _OPTIONAL
    ):
        tokens = (
            read_count(given, path, line, "Request tokens"),
            read_count(made, path, line, "Response tokens"),
        )
        if not tokens[1] and not reading.options.keep_failures:
            reading.skip("response of 0 tokens, a failure (--keep-failures keeps them)")
            continue
        time_us = read_seconds(time, path, line, "Timestamp")
        extra: dict[str, object] = {"log_type": log}
        if session:
            extra["session_id"] = session
        if elapsed:
            extra["elapsed_time"] = read_number(elapsed, path, line, "Elapsed time")
        name = model or "llm"
        yield calls.make(time_us, _workflow(name, log), tokens, model=name, extra=extra)


def _workflow(model: str, log: str) -> str:
    """Return the workflow of a model's log: ``GPT-4 conversation``, or the model's own name."""
    kind = log.lower().removesuffix(" log").strip()
    return f"{model} {kind}" if kind else model


BURSTGPT = trace_importer(
    "burstgpt",
    "BurstGPT (CSV), failures left out",
    _recognises,
    read_file=_read,
)
"""A model per name, a workflow per model and kind of log."""
