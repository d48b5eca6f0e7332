"""Mooncake: JSON lines with ``timestamp`` (ms), ``input_length``, ``output_length``, ``hash_ids``.

``hash_ids`` names the prompt's blocks of 512 tokens; it is kept in the metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.llm.calls import CallMaker, workflow_of
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import json_rows
from fedloom.workload.traces.values import read_count, read_number

__all__ = ["MOONCAKE"]

_FIELDS = ("timestamp", "input_length", "output_length")


def _recognises(head: Head) -> bool:
    return set(_FIELDS) <= set(head.record) and "chat_id" not in head.record


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    calls, workflow = CallMaker(reading.options), workflow_of(path)
    for line, row in json_rows(path, _FIELDS):
        tokens = (
            read_count(row["input_length"], path, line, "input_length"),
            read_count(row["output_length"], path, line, "output_length"),
        )
        time_us = round(read_number(row["timestamp"], path, line, "timestamp") * 1_000)
        blocks = row.get("hash_ids")
        extra = None if blocks is None else {"hash_ids": blocks}
        yield calls.make(time_us, workflow, tokens, extra=extra)


MOONCAKE = trace_importer(
    "mooncake",
    "Mooncake (JSON lines, milliseconds)",
    _recognises,
    read_file=_read,
)
"""One model, one workflow per file."""
