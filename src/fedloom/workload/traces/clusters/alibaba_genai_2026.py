"""Alibaba's image generation of 2026: ``lora_request_trace.csv``.

Each checkpoint becomes a model on one GPU (8 GB), each checkpoint with a kind of prediction a
workflow; groups of users are tenants. Steps, images and adapters are set as the node's options.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job, TraceModel
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import csv_rows
from fedloom.workload.traces.values import read_count, read_seconds, read_time

__all__ = ["ALIBABA_GENAI_2026"]

_COLUMNS = ("gmt_create", "exec_time_seconds", "checkpoint_model_version_id")
_TEXTS = ("predict_type", "predict_status", "groupId")
_OPTIONS = ("num_inference_steps", "num_images_per_prompt", "num_lora")
_LENGTHS = ("prompt_length", "negative_prompt_length")
_DONE = {"", "succeeded", "success", "succeed", "finished", "done", "completed"}
_MEMORY_GB, _LOAD_S = 8.0, 2.5


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    models: dict[str, TraceModel] = {}
    for line, cells in csv_rows(path, _COLUMNS, (*_TEXTS, *_OPTIONS, *_LENGTHS)):
        created, seconds, checkpoint, kind, status, group, *numbers = map(_given, cells)
        if status.strip().casefold() not in _DONE and not reading.options.keep_failures:
            reading.skip(f"status {status} (--keep-failures keeps them)")
            continue
        if not seconds:
            reading.skip("no execution time")
            continue
        name = f"checkpoint_{checkpoint or 'unknown'}"
        model = models.setdefault(
            name, TraceModel(name, "image_generation", _MEMORY_GB, 1, _LOAD_S, "generate")
        )
        counts = {
            column: read_count(text, path, line, column)
            for column, text in zip((*_OPTIONS, *_LENGTHS), numbers, strict=True)
            if text
        }
        yield Job(
            read_time(created, path, line, "gmt_create"),
            f"{name} {kind}".strip(),
            model,
            read_seconds(seconds, path, line, "exec_time_seconds"),
            tenant=group,
            options={name: counts[name] for name in _OPTIONS if name in counts},
            extra={name: counts[name] for name in _LENGTHS if name in counts},
        )


def _given(text: str) -> str:
    """Return the text of a cell; what is missing has several spellings."""
    return "" if text.strip().casefold() in ("null", "none", "nan") else text


ALIBABA_GENAI_2026 = trace_importer(
    "alibaba-genai-2026",
    "Alibaba image generation 2026, lora_request_trace (CSV)",
    _recognises,
    read_file=_read,
    dated=True,
)
"""A model per checkpoint."""
