"""Alibaba PAI 2020: ``pai_task_table`` and, for the users, ``pai_job_table``; no headers, seconds.

Each task becomes a request. Its gang has ``inst_num`` × ``plan_gpu`` per cent of a device, rounded
up; a task with a part of one device holds that part of its memory. With the table of jobs, a task
arrives when its job was submitted, and users are tenants; that table is held in memory (about
0.3 kB a job). Without it, a task arrives when it started.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path

from fedloom.errors import InputError
from fedloom.workload.traces.clusters.jobs import JobModels
from fedloom.workload.traces.convert import trace_importer
from fedloom.workload.traces.head import Head
from fedloom.workload.traces.job import Job
from fedloom.workload.traces.order import merge_in_time
from fedloom.workload.traces.reading import Reading
from fedloom.workload.traces.rows import headless_rows
from fedloom.workload.traces.text import open_text
from fedloom.workload.traces.values import read_count, read_number, read_seconds

__all__ = ["ALIBABA_PAI_2020"]

_TASKS = (
    "job_name", "task_name", "inst_num", "status", "start_time", "end_time", "plan_cpu",
    "plan_mem", "plan_gpu", "gpu_type",
)  # fmt: skip
_JOBS = ("job_name", "inst_id", "user", "status", "start_time", "end_time")
_STATUSES = {"Terminated", "Failed", "Running", "Waiting"}


def _recognises(head: Head) -> bool:
    """A table of tasks or of jobs, by its number of columns and its column of statuses."""
    cells = head.text.partition("\n")[0].strip().split(",")
    return len(cells) in (len(_TASKS), len(_JOBS)) and cells[3] in _STATUSES


def _read(paths: Sequence[Path], reading: Reading) -> Iterator[Job]:
    tables = {path: _columns(path) for path in paths}
    tasks = [path for path, columns in tables.items() if columns == len(_TASKS)]
    if not tasks:
        raise InputError(
            f"{', '.join(map(str, paths))}: none has the {len(_TASKS)} columns of pai_task_table"
        )
    jobs: dict[str, tuple[str, int | None]] = {}
    for path in paths:
        if path not in tasks:
            jobs.update(_read_jobs(path))
    yield from merge_in_time(tasks, lambda path: _read_tasks(path, jobs, reading))


def _read_jobs(path: Path) -> Iterator[tuple[str, tuple[str, int | None]]]:
    """Yield the user of each job and when it was submitted."""
    for line, (name, _, user, _, started, _) in headless_rows(path, _JOBS):
        submitted = read_seconds(started, path, line, "start_time") if started else None
        yield name, (user, submitted)


def _columns(path: Path) -> int:
    with open_text(path) as file:
        return len(file.readline().split(","))


def _read_tasks(
    path: Path, jobs: dict[str, tuple[str, int | None]], reading: Reading
) -> Iterator[Job]:
    models = JobModels(reading.options)
    for line, row in headless_rows(path, _TASKS):
        name, task, instances, status, started, ended, _, _, plan, kind = row
        if not started or not ended:
            reading.skip("never started, or not ended within the trace")
            continue
        begin = read_seconds(started, path, line, "start_time")
        duration_us = read_seconds(ended, path, line, "end_time") - begin
        if duration_us < 0:
            reading.skip("ended before it started")
            continue
        percent = read_number(plan or 0, path, line, "plan_gpu")
        percent *= read_count(instances or 1, path, line, "inst_num")
        gpus, milli = _gang(percent, reading)
        model = models.get(gpus, "" if kind == "MISC" else kind, milli)
        user, submitted = jobs.get(name, ("", None))
        yield Job(
            begin if submitted is None else min(submitted, begin),
            model.model_id,
            model,
            duration_us,
            tenant=user,
            extra={"job_name": name, "task_name": task, "status": status},
        )


def _gang(percent: float, reading: Reading) -> tuple[int, int]:
    """Return devices and thousandths of each, and count what had to be assumed."""
    gpus = ceil(percent / 100)
    if not gpus:
        reading.note("no GPU, kept beside the GPUs as the utility model cpu")
    elif percent < 100:
        reading.note("part of a GPU, kept as one device with that part of its memory")
        return gpus, max(1, round(percent * 10))
    elif percent % 100:
        reading.note("parts of GPUs, rounded up to whole ones")
    return gpus, 1_000


ALIBABA_PAI_2020 = trace_importer(
    "alibaba-pai-2020",
    "Alibaba PAI 2020, pai_task_table with pai_job_table (CSV)",
    _recognises,
    read_files=_read,
)
"""A model and a workflow per number, share and type of GPUs."""
