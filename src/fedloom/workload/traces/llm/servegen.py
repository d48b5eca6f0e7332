"""Requests as ServeGen makes them: ``request_id,timestamp,input_tokens,output_tokens``, seconds.

Other columns (``reason_ratio``, ``image_count``, …) are kept in the metadata under their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.llm.calls import CallMaker, workflow_of
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import csv_rows
from fedloom.workload.traces.values import read_count, read_number, read_seconds

__all__ = ["SERVEGEN"]

_COLUMNS = ("timestamp", "input_tokens", "output_tokens")
_MEDIA = ("image", "audio", "video")
_COUNTS = ("text_tokens", *(f"{kind}_{what}" for kind in _MEDIA for what in ("count", "tokens")))


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    calls, workflow = CallMaker(reading.options), workflow_of(path)
    optional = ("request_id", "client_id", "reason_ratio", *_COUNTS)
    for line, cells in csv_rows(path, _COLUMNS, optional):
        time, given, made, name, client, ratio, *counts = cells
        tokens = (
            read_count(given, path, line, "input_tokens"),
            read_count(made, path, line, "output_tokens"),
        )
        extra: dict[str, object] = {}
        if ratio:
            extra["reason_ratio"] = read_number(ratio, path, line, "reason_ratio")
        for column, text in zip(_COUNTS, counts, strict=True):
            if text:
                extra[column] = read_count(text, path, line, column)
        time_us = read_seconds(time, path, line, "timestamp")
        yield calls.make(
            time_us, workflow, tokens, request_id=name, tenant=client, extra=extra or None
        )


SERVEGEN = trace_importer(
    "servegen",
    "requests in ServeGen's columns (CSV)",
    _recognises,
    read_file=_read,
)
"""One model, one workflow per file; clients are tenants."""
