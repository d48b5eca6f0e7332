"""The Standard Workload Format, version 2.2, of the Parallel Workloads Archive.

A job per request, 18 whole numbers each; −1 where nothing is known. Requests shorter than a second
count as one: the format has no fractions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fedloom.files import open_replacing
from fedloom.workload.config.workflow import Workflow
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.traces.export.calls import node_spans, workflow_of_request
from fedloom.workload.units import MICROSECONDS, format_time

__all__ = ["export_swf"]

_UNKNOWN = -1
_COMPLETED = 1
_KB_PER_GB = 1_000_000
_DIGITS = 12
"""Room for numbers of the header that are known only at the end."""


def export_swf(requests: Iterable[Request], config: WorkloadConfig, path: Path) -> int:
    """Write requests as jobs.

    A job's run time is its critical path, its processors the GPUs of its largest gang (at least
    1), its user the number of its tenant, its executable the number of its workflow, its preceding
    job the request that it waits for, with the time of thinking. The header lists the numbers.

    Raises:
        InputError: the configuration lacks a request's workflow, or a request a node's time.
    """
    jobs = _Jobs(config)
    with open_replacing(path) as file:
        file.write(_header(jobs, config))
        for request in requests:
            file.write(jobs.line(request).encode())
        file.seek(0)
        file.write(_header(jobs, config))
    return jobs.count


@dataclass(slots=True)
class _Jobs:
    """Turns requests into lines, and remembers what the header has to say."""

    config: WorkloadConfig
    count: int = 0
    first_us: int = 0
    last_us: int = 0
    longest_s: int = 0
    tenants: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    needs: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tenants = {name: number for number, name in enumerate(self.config.tenants, start=1)}
        for number, workflow in enumerate(self.config.workflows.values(), start=1):
            self.needs[workflow.workflow_id] = (number, *_needs(workflow, self.config))

    def line(self, request: Request) -> str:
        """Return the job of a request."""
        workflow = workflow_of_request(request, self.config)
        if not self.count:
            self.first_us = request.time_us
        self.count += 1
        self._number(request.request_id)
        run_us = max(span.end_us for span in node_spans(request, workflow))
        run_s = max(1, _seconds(run_us))
        submit_s = (request.time_us - self.first_us) // MICROSECONDS
        self.last_us = max(self.last_us, request.time_us + run_us)
        self.longest_s = max(self.longest_s, run_s)
        executable, processors, memory_kb = self.needs[workflow.workflow_id]
        before, think_s = self._preceding(request)
        fields = (
            self.count, submit_s, _UNKNOWN, run_s, processors, _UNKNOWN, _UNKNOWN, processors,
            run_s, memory_kb, _COMPLETED, self._user(request), _UNKNOWN, executable, _UNKNOWN,
            _UNKNOWN, before, think_s,
        )  # fmt: skip
        return " ".join(map(str, fields)) + "\n"

    def _number(self, request_id: str) -> None:
        """Remember the number of a job whose name does not say it (``req_0000`` is job 1)."""
        if _number_in(request_id) != self.count:
            self.numbers[request_id] = self.count

    def _preceding(self, request: Request) -> tuple[int, int]:
        if (before := request.metadata.get("after_request")) is None:
            return _UNKNOWN, _UNKNOWN
        number = self.numbers.get(before) or _number_in(before)
        think_us = request.metadata.get("think_time", 0.0) * MICROSECONDS
        return number or _UNKNOWN, _seconds(round(think_us))

    def _user(self, request: Request) -> int:
        if not (tenant := request.metadata.get("tenant")):
            return _UNKNOWN
        return self.tenants.setdefault(tenant, len(self.tenants) + 1)


def _needs(workflow: Workflow, config: WorkloadConfig) -> tuple[int, int]:
    """Return processors, and kilobytes per processor."""
    models = config.models_of(workflow)
    processors = max(1, *(model.gpus_required for model in models))
    each = max(model.memory_gb / max(1, model.gpus_required) for model in models)
    return processors, round(each * _KB_PER_GB)


def _seconds(time_us: int) -> int:
    """Return whole seconds, rounded up."""
    return -(-time_us // MICROSECONDS)


def _number_in(request_id: str) -> int | None:
    digits = request_id.removeprefix("req_")
    return int(digits) + 1 if digits != request_id and digits.isdecimal() else None


def _header(jobs: _Jobs, config: WorkloadConfig) -> bytes:
    """Return the comments at the top; always as long for the same configuration."""
    most = max(needs[1] for needs in jobs.needs.values())
    pairs = [
        ("Version", "2.2"),
        ("Computer", "none: a generated or imported workload"),
        ("Conversion", f"fedloom workload export ({config.name})"),
        ("MaxJobs", f"{jobs.count:<{_DIGITS}}"),
        ("MaxRecords", f"{jobs.count:<{_DIGITS}}"),
        ("UnixStartTime", f"{jobs.first_us // MICROSECONDS:<{_DIGITS}}"),
        ("TimeZoneString", "UTC"),
        ("StartTime", format_time(jobs.first_us)),
        ("EndTime", format_time(jobs.last_us)),
        ("MaxProcs", str(most)),
        ("MaxRuntime", f"{jobs.longest_s:<{_DIGITS}}"),
        ("Note", "run time is the critical path in seconds, rounded up; processors are GPUs"),
        *((f"Executable {needs[0]}", name) for name, needs in jobs.needs.items()),
        *((f"User {jobs.tenants[name]}", name) for name in config.tenants),
    ]
    return "".join(f"; {name}: {_one_line(value)}\n" for name, value in pairs).encode()


def _one_line(text: str) -> str:
    return " ".join(text.split("\n"))
