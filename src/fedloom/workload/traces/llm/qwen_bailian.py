"""Qwen-Bailian: JSON lines of the turns of chats.

Fields ``chat_id``, ``parent_chat_id`` (−1: the first turn), ``timestamp`` (s), ``input_length``,
``output_length``, ``type``, ``turn``, ``hash_ids`` (blocks of 16 tokens). All but the lengths are
kept in the metadata under their names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.llm.calls import CallMaker
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import json_rows
from fedloom.workload.traces.values import read_count, read_seconds

__all__ = ["QWEN_BAILIAN"]

_FIELDS = ("chat_id", "timestamp", "input_length", "output_length")
_KEPT = ("chat_id", "parent_chat_id", "type", "turn", "hash_ids")


def _recognises(head: Head) -> bool:
    return set(_FIELDS) <= set(head.record)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    calls = CallMaker(reading.options)
    for line, row in json_rows(path, _FIELDS):
        tokens = (
            read_count(row["input_length"], path, line, "input_length"),
            read_count(row["output_length"], path, line, "output_length"),
        )
        time_us = read_seconds(row["timestamp"], path, line, "timestamp")
        workflow = str(row.get("type") or "chat")
        kept = {name: row[name] for name in _KEPT if name in row}
        yield calls.make(time_us, workflow, tokens, model="qwen", extra=kept)


QWEN_BAILIAN = trace_importer(
    "qwen-bailian",
    "Qwen-Bailian (JSON lines, turns of chats)",
    _recognises,
    read_file=_read,
)
"""One model, a workflow per type of request."""
