"""Philly: ``cluster_job_log``, one JSON list of jobs with their attempts.

A job arrives when it was submitted and runs as long as all its attempts together; its gang has the
GPUs of its largest attempt. Attempts without a beginning or an end are left out, and so is a job
none of whose attempts has both.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fedloom.workload.traces.clusters.jobs import JobModels
from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.json_list import json_list, objects_in
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.values import read_time

__all__ = ["PHILLY"]


def _recognises(head: Head) -> bool:
    return {"jobid", "attempts", "submitted_time"} <= set(head.record)


def _read(path: Path, reading: Reading) -> Iterator[Job]:
    models = JobModels(reading.options)
    for number, row in json_list(path, ("jobid", "attempts", "submitted_time")):
        place = f"element {number}"
        tried = objects_in(row, "attempts", path, place)
        attempts = [one for one in tried if _timed(one)]
        if not attempts or not _given(row["submitted_time"]):
            reading.skip("no attempt with a beginning and an end, or no time of submission")
            continue
        if len(attempts) < len(tried):
            reading.note("some attempts had no beginning or no end and do not count")
        duration_us = sum(_duration_us(one, path, place) for one in attempts)
        if duration_us < 0:
            reading.skip("an attempt ends before it begins")
            continue
        details = [objects_in(one, "detail", path, place) for one in attempts]
        gpus = max(map(_gpus, details))
        servers = max(map(len, details))
        _note(gpus, servers, reading)
        model = models.get(gpus)
        yield Job(
            read_time(row["submitted_time"], path, place, "submitted_time"),
            model.model_id,
            model,
            duration_us,
            request_id=str(row["jobid"]),
            tenant=str(row.get("vc") or ""),
            extra=_extra(row, len(attempts), servers),
        )


def _note(gpus: int, servers: int, reading: Reading) -> None:
    if not gpus:
        reading.note("no GPU, kept beside the GPUs as the utility model cpu")
    if servers > 1:
        reading.note("ran on several servers; their gangs may need allow_span in the cluster")


def _given(time: object) -> bool:
    return time not in (None, "", "None")


def _timed(attempt: dict[str, Any]) -> bool:
    return _given(attempt.get("start_time")) and _given(attempt.get("end_time"))


def _duration_us(attempt: dict[str, Any], path: Path, place: str) -> int:
    begin = read_time(attempt["start_time"], path, place, "start_time")
    return read_time(attempt["end_time"], path, place, "end_time") - begin


def _gpus(detail: list[dict[str, Any]]) -> int:
    devices = (server.get("gpus") for server in detail)
    return sum(len(names) for names in devices if isinstance(names, list))


def _extra(row: dict[str, Any], attempts: int, servers: int) -> dict[str, object]:
    stated = {name: row[name] for name in ("status", "user") if row.get(name) is not None}
    return {**stated, "attempts": attempts, "servers": servers}


PHILLY = trace_importer(
    "philly",
    "Microsoft Philly, cluster_job_log (JSON)",
    _recognises,
    read_file=_read,
    dated=True,
)
"""A model and a workflow per number of GPUs; virtual clusters are tenants."""
