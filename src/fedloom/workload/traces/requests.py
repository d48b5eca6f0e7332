"""Making requests of the jobs of a trace."""

from __future__ import annotations

from typing import Any

from fedloom.errors import InputError
from fedloom.workload.request import Request
from fedloom.workload.traces.job import Job
from fedloom.workload.units import MICROSECONDS, parse_time

__all__ = ["RequestMaker"]

_LATEST_US = parse_time("9999-12-31T23:59:59.999999")


class RequestMaker:
    """Makes requests of jobs, one after another.

    Names that the trace gives are kept and remembered, because they must be unique.

    Args:
        count: how many there will be; it decides how many digits a number has.
        first_us: the first arrival in the trace.
        start_us: when that is to be.
        time_scale: what the time since the first arrival is multiplied by.

    Attributes:
        renamed: how many had the name of an earlier one.
    """

    def __init__(self, count: int, first_us: int, start_us: int, time_scale: float) -> None:
        self._digits = max(4, len(str(count - 1)))
        self._first_us, self._start_us, self._time_scale = first_us, start_us, time_scale
        self._number = 0
        self._names: dict[str, int] = {}
        self.renamed = 0

    @property
    def warning(self) -> str:
        """How many were renamed, for people."""
        return f"{self.renamed:,} names came twice; the later ones end in -2, -3, …"

    def make(self, job: Job) -> Request:
        """Return the request of a job."""
        node = job.model.node
        seconds = job.duration_us / MICROSECONDS
        return Request(
            request_id=self._name(job),
            time_us=self._time(job),
            workflow_id=job.workflow,
            node_configs={node: job.options} if job.options else {},
            node_execution_times={node: seconds},
            metadata=_metadata(job, node, seconds),
        )

    def _time(self, job: Job) -> int:
        since = job.time_us - self._first_us
        if self._time_scale != 1.0:
            since = round(since * self._time_scale)
        if (time_us := self._start_us + since) > _LATEST_US:
            raise InputError(
                f"request {self._number} arrives after the year 9999; choose a smaller time_scale "
                "or an earlier start"
            )
        return time_us

    def _name(self, job: Job) -> str:
        number, self._number = self._number, self._number + 1
        if not job.request_id:
            return f"req_{number:0{self._digits}d}"
        if (name := job.request_id) in self._names:
            self.renamed += 1
            name = self._next_copy(name)
        self._names[name] = 1
        return name

    def _next_copy(self, name: str) -> str:
        while (copy := f"{name}-{self._names[name] + 1}") in self._names:
            self._names[name] += 1
        self._names[name] += 1
        return copy


def _metadata(job: Job, node: str, seconds: float) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "base_models_used": [job.model.model_id],
        "total_estimated_time": seconds,
        "critical_path_time": seconds,
    }
    if job.tenant:
        metadata["tenant"] = job.tenant
    if job.priority is not None:
        metadata["priority"] = job.priority
    if job.tokens is not None:
        metadata["node_tokens"] = {node: {"input": job.tokens[0], "output": job.tokens[1]}}
    if job.extra:
        metadata.update(job.extra)
    return metadata
