"""Azure's traces of language models: 2023 and 2024 (``TIMESTAMP,ContextTokens,GeneratedTokens``).

The multimodal trace of 2025 has ``NumImages`` besides; it is kept as ``num_images``. Times have
seven digits after the point, with or without a zone.
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
from fedloom.workload.traces.values import read_count, read_time

__all__ = ["AZURE_LLM"]

_COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    calls, workflow = CallMaker(reading.options), workflow_of(path)
    for line, (time, given, made, images) in csv_rows(path, _COLUMNS, ["NumImages"]):
        tokens = (
            read_count(given, path, line, "ContextTokens"),
            read_count(made, path, line, "GeneratedTokens"),
        )
        extra = {"num_images": read_count(images, path, line, "NumImages")} if images else None
        yield calls.make(read_time(time, path, line, "TIMESTAMP"), workflow, tokens, extra=extra)


AZURE_LLM = trace_importer(
    "azure-llm",
    "Azure LLM inference 2023 and 2024, multimodal 2025 (CSV)",
    _recognises,
    read_file=_read,
    dated=True,
)
"""One model, one workflow per file."""
