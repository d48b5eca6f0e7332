"""Azure Functions 2021: ``app,func,end_timestamp,duration``, seconds.

A call arrives ``duration`` before its end. Each function becomes a model and a workflow; without
`gpus_required` it runs beside the GPUs. The names are hashes; their first twelve digits are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.imported import ImportOptions
from fedloom.workload.traces.job import Job, TraceModel
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import csv_rows
from fedloom.workload.traces.values import read_seconds

__all__ = ["AZURE_FUNCTIONS"]

_COLUMNS = ("app", "func", "end_timestamp", "duration")
_HASH_DIGITS = 64
_KEPT_DIGITS = 12


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    models: dict[tuple[str, str], TraceModel] = {}
    for line, (app, function, end, duration) in csv_rows(path, _COLUMNS):
        if (model := models.get((app, function))) is None:
            model = models[app, function] = _model(app, function, reading.options)
        lasted = read_seconds(duration, path, line, "duration")
        ended = read_seconds(end, path, line, "end_timestamp")
        yield Job(ended - lasted, model.model_id, model, lasted)


def _model(app: str, function: str, options: ImportOptions) -> TraceModel:
    name = f"{_short(app)}-{_short(function)}"
    if gpus := options.gpus_required:
        return TraceModel(name, "function", options.memory_gb, gpus)
    return TraceModel(name, "utility", 1.0, 0)


def _short(name: str) -> str:
    return name[:_KEPT_DIGITS] if len(name) >= _HASH_DIGITS else name


AZURE_FUNCTIONS = trace_importer(
    "azure-functions",
    "Azure Functions invocations 2021 (CSV)",
    _recognises,
    read_file=_read,
)
"""A model and a workflow per function."""
