"""Helios: ``cluster_log.csv``, a job per row.

A job arrives when it was submitted and runs for ``duration`` seconds. A job that never started is
left out. ``gpu_num`` counts all its servers' GPUs.
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
from fedloom.workload.traces.values import read_count, read_seconds, read_time

__all__ = ["HELIOS"]

_COLUMNS = ("job_id", "vc", "gpu_num", "node_num", "state", "submit_time", "start_time", "duration")
_NEVER = {"", "none", "nan", "nat", "unknown"}


def _recognises(head: Head) -> bool:
    return head.has_columns(*_COLUMNS)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    models = JobModels(reading.options)
    for line, cells in csv_rows(path, _COLUMNS, ("user", "cpu_num")):
        name, tenant, gpus, nodes, state, submitted, started, duration, user, cpus = cells
        if started.strip().casefold() in _NEVER or not duration:
            reading.skip("never started")
            continue
        count = read_count(gpus, path, line, "gpu_num")
        servers = read_count(nodes or 1, path, line, "node_num")
        if not count:
            reading.note("no GPU, kept beside the GPUs as the utility model cpu")
        elif servers > 1:
            reading.note("ran on several servers; their gangs may need allow_span in the cluster")
        model = models.get(count)
        extra = {"state": state, "servers": servers, "user": user, "cpu_num": cpus}
        yield Job(
            read_time(submitted, path, line, "submit_time"),
            model.model_id,
            model,
            read_seconds(duration, path, line, "duration"),
            request_id=name,
            tenant=tenant,
            extra={key: value for key, value in extra.items() if value != ""},
        )


HELIOS = trace_importer(
    "helios",
    "SenseTime Helios, cluster_log (CSV)",
    _recognises,
    read_file=_read,
    dated=True,
)
"""A model and a workflow per number of GPUs; virtual clusters are tenants."""
