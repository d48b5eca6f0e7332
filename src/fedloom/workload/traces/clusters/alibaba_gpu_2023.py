"""Alibaba's GPU cluster of 2023: ``openb_pod_list``, a pod per row, seconds.

A pod arrives at its creation and runs from scheduling to deletion. A pod with a part of a GPU
(``num_gpu`` 1 and ``gpu_milli`` below 1,000) becomes a model on one device that holds the same
part of its memory: as many of them fit on a device, but one at a time computes. The priority
follows from the class of service: LS and Guaranteed 2, Burstable 1, BE 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedloom.workload.traces.clusters.jobs import JobModels
from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import csv_rows
from fedloom.workload.traces.values import read_count, read_seconds

__all__ = ["ALIBABA_GPU_2023"]

_COLUMNS = ("name", "num_gpu", "gpu_milli", "creation_time", "deletion_time", "scheduled_time")
_OPTIONAL = ("gpu_spec", "qos", "pod_phase", "cpu_milli", "memory_mib")
_PRIORITIES = {"LS": 2, "Guaranteed": 2, "Burstable": 1, "BE": 0}


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    models = JobModels(reading.options)
    for line, cells in csv_rows(path, _COLUMNS, _OPTIONAL):
        name, gpus, milli, created, deleted, scheduled, kind, qos, phase, cpu, memory = cells
        scheduled, deleted, kind = map(_given, (scheduled, deleted, kind))
        if not scheduled or not deleted:
            reading.skip("never scheduled" if not scheduled else "not deleted within the trace")
            continue
        begin = read_seconds(scheduled, path, line, "scheduled_time")
        duration_us = read_seconds(deleted, path, line, "deletion_time") - begin
        if duration_us < 0:
            reading.skip("deleted before it was scheduled")
            continue
        count = read_count(gpus, path, line, "num_gpu")
        share = _share(count, read_count(milli or 0, path, line, "gpu_milli"), reading)
        model = models.get(count, kind, share)
        yield Job(
            read_seconds(created, path, line, "creation_time"),
            model.model_id,
            model,
            duration_us,
            request_id=name,
            priority=_PRIORITIES.get(qos),
            extra=_extra(phase, cpu, memory),
        )


def _given(text: str) -> str:
    """Return the text of a cell; pandas writes what is missing as nan."""
    return "" if text.strip().casefold() == "nan" else text


def _share(gpus: int, milli: int, reading: Reading) -> int:
    """Return the thousandths of each device, and count what had to be assumed."""
    if not gpus:
        reading.note("no GPU, kept beside the GPUs as the utility model cpu")
    if gpus != 1 or not 0 < milli < 1_000:
        return 1_000
    reading.note("part of a GPU, kept as one device with that part of its memory")
    return milli


def _extra(phase: str, cpu: str, memory: str) -> dict[str, object]:
    named = {"pod_phase": phase, "cpu_milli": cpu, "memory_mib": memory}
    return {name: text for name, text in named.items() if text}


ALIBABA_GPU_2023 = trace_importer(
    "alibaba-gpu-2023",
    "Alibaba GPU cluster 2023, openb_pod_list (CSV)",
    _recognises,
    read_file=_read,
)
"""A model and a workflow per number, share and type of GPUs."""
