"""Vidur's replayed traces: ``arrived_at,num_prefill_tokens,num_decode_tokens``, seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.llm.calls import CallMaker, workflow_of
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import csv_rows
from fedloom.workload.traces.values import read_count, read_seconds

__all__ = ["VIDUR"]

_COLUMNS = ("arrived_at", "num_prefill_tokens", "num_decode_tokens")


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    calls, workflow = CallMaker(reading.options), workflow_of(path)
    for line, (time, given, made) in csv_rows(path, _COLUMNS):
        tokens = (
            read_count(given, path, line, "num_prefill_tokens"),
            read_count(made, path, line, "num_decode_tokens"),
        )
        yield calls.make(read_seconds(time, path, line, "arrived_at"), workflow, tokens)


VIDUR = trace_importer("vidur", "Vidur request traces (CSV)", _recognises, read_file=_read)
"""One model, one workflow per file."""
