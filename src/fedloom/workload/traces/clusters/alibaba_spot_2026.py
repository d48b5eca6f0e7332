"""Alibaba's spot jobs of 2026: ``job_info_df.csv``, seconds.

A gang has ``gpu_request`` devices for each of ``worker_num`` workers; parts of a device are
rounded up. HP jobs have priority 1, spot jobs 0; organisations are tenants.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path

from fedloom.workload.traces.clusters.jobs import JobModels
from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import csv_rows
from fedloom.workload.traces.values import read_count, read_number, read_seconds

__all__ = ["ALIBABA_SPOT_2026"]

_COLUMNS = ("job_name", "gpu_request", "worker_num", "submit_time", "duration")
_OPTIONAL = ("organization", "gpu_model", "job_type")


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    models = JobModels(reading.options)
    for line, cells in csv_rows(path, _COLUMNS, _OPTIONAL):
        name, request, workers, submitted, duration, tenant, kind, job_type = cells
        each = read_number(request, path, line, "gpu_request")
        if each != ceil(each):
            reading.note("part of a GPU, rounded up to a whole one")
        crew = read_count(workers, path, line, "worker_num", least=1)
        gpus = ceil(each) * crew
        if not gpus:
            reading.note("no GPU, kept beside the GPUs as the utility model cpu")
        elif crew > 1:
            reading.note("several workers; their gangs may need allow_span in the cluster")
        model = models.get(gpus, kind)
        yield Job(
            read_seconds(submitted, path, line, "submit_time"),
            model.model_id,
            model,
            read_seconds(duration, path, line, "duration"),
            request_id=name,
            tenant=tenant,
            priority={"hp": 1, "spot": 0}.get(job_type.strip().casefold()),
            extra={"job_type": job_type} if job_type else {},
        )


ALIBABA_SPOT_2026 = trace_importer(
    "alibaba-spot-2026",
    "Alibaba spot jobs 2026, job_info_df (CSV)",
    _recognises,
    read_file=_read,
)
"""A model and a workflow per number and type of GPUs."""
