"""The metrics of one schedule, and how files and pages spell them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fedloom.scheduling.metrics.bounds import Bounds
from fedloom.scheduling.metrics.spread import Spread, to_number
from fedloom.workload.units import to_seconds

__all__ = ["Deadlines", "Metrics"]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How deadlines were kept; what is unfinished missed its deadline.

    Attributes:
        due: requests that have a deadline.
        met: those of them that were completed in time.
    """

    due: int
    met: int

    @property
    def attainment(self) -> float | None:
        """The share that was met; None where no request has a deadline."""
        return self.met / self.due if self.due else None


@dataclass(frozen=True)
class Metrics:
    """How good a schedule is.

    Attributes:
        policy: its name.
        offline: whether it knew the future.
        stopped: why requests were left unfinished; "" where none were.
        gpus: devices in the cluster.
        requests: all requests.
        completed_requests: those of which all tasks ran.
        tasks: all tasks.
        executed_tasks: those that ran to their end.
        makespan_us: from the first arrival to the last end.
        bounds: lower bounds of the makespan.
        waiting: of tasks, from ready to start, s.
        request_waiting: of requests, from arrival to the start of the first task, s.
        task_response: of tasks, from ready to end, s.
        response: of completed requests, from arrival to the end of the last task, s.
        slowdown: of completed requests, response ÷ critical path at speed 1; below 1 on faster
            devices.
        bounded_slowdown: at least 1, and divided by at least 10 s (Feitelson, Rudolph: Metrics and
            Benchmarking for Parallel Job Scheduling, 1998), so that short requests do not dominate.
        deadlines: how they were kept.
        fairness_slowdown: Jain's index of the tenants' mean slowdowns; None without tenants, and
            where no request of theirs was completed.
        fairness_gpu_time: Jain's index of the tenants' GPU-time ÷ weight; None without tenants, and
            where no task ran.
        utilisation: shares of the makespan, by device and over all.
        switches: tasks that paid a switch.
        switch_us: time of switches, each counted once.
        switch_gpu_us: the same times the devices that waited for it.
        gpu_us: GPU-time of executions.
        throughput_per_s: completed requests ÷ makespan.
        goodput_per_s: requests that met their deadline, and completed ones without, ÷ makespan.
        tenants: metrics by tenant.
        workflows: metrics by workflow.
        models: metrics by service model.
    """

    policy: str
    offline: bool
    stopped: str
    gpus: int
    requests: int
    completed_requests: int
    tasks: int
    executed_tasks: int
    makespan_us: int
    bounds: Bounds
    waiting: Spread
    request_waiting: Spread
    task_response: Spread
    response: Spread
    slowdown: Spread
    bounded_slowdown: Spread
    deadlines: Deadlines
    fairness_slowdown: float | None
    fairness_gpu_time: float | None
    utilisation: Mapping[str, Any]
    switches: int
    switch_us: int
    switch_gpu_us: int
    gpu_us: int
    throughput_per_s: float
    goodput_per_s: float
    tenants: Mapping[str, Any] = field(default_factory=dict)
    workflows: Mapping[str, Any] = field(default_factory=dict)
    models: Mapping[str, Any] = field(default_factory=dict)

    @property
    def unfinished_requests(self) -> int:
        """Requests of which not all tasks ran."""
        return self.requests - self.completed_requests

    @property
    def makespan_ratio(self) -> float | None:
        """Makespan ÷ its lower bound; None where requests are unfinished or there is no bound."""
        if self.unfinished_requests or not self.bounds.makespan_us:
            return None
        return self.makespan_us / self.bounds.makespan_us

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON has it: times in seconds, numbers with six decimals."""
        return {
            "policy": self.policy,
            "mode": "offline" if self.offline else "online",
            "stopped": self.stopped,
            "gpus": self.gpus,
            "requests": self.requests,
            "completed_requests": self.completed_requests,
            "unfinished_requests": self.unfinished_requests,
            "tasks": self.tasks,
            "executed_tasks": self.executed_tasks,
            "makespan_s": to_seconds(self.makespan_us),
            "makespan_lower_bound_s": to_seconds(self.bounds.makespan_us),
            "makespan_ratio": to_number(self.makespan_ratio),
            "bounds": dict(self.bounds.to_dict()),
            "waiting_s": self.waiting.to_dict(),
            "request_waiting_s": self.request_waiting.to_dict(),
            "task_response_s": self.task_response.to_dict(),
            "response_s": self.response.to_dict(),
            "slowdown": self.slowdown.to_dict(),
            "bounded_slowdown": self.bounded_slowdown.to_dict(),
            "requests_with_deadline": self.deadlines.due,
            "deadlines_met": self.deadlines.met,
            "deadline_attainment": to_number(self.deadlines.attainment),
            "fairness_slowdown": to_number(self.fairness_slowdown),
            "fairness_gpu_time": to_number(self.fairness_gpu_time),
            "utilisation": dict(self.utilisation),
            "switches": self.switches,
            "switch_seconds": to_seconds(self.switch_us),
            "switch_gpu_seconds": to_seconds(self.switch_gpu_us),
            "gpu_seconds": to_seconds(self.gpu_us),
            "throughput_per_s": to_number(self.throughput_per_s),
            "goodput_per_s": to_number(self.goodput_per_s),
            "tenants": dict(self.tenants),
            "workflows": dict(self.workflows),
            "models": dict(self.models),
        }
