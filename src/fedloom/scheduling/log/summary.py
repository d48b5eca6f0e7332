"""The summary of a log: under the names of the studied system, and under ours."""

from __future__ import annotations

from typing import Any

from fedloom.scheduling.metrics.metrics import Metrics
from fedloom.scheduling.metrics.spread import to_number
from fedloom.scheduling.problem import Problem
from fedloom.workload.units import format_time, to_seconds

__all__ = ["summarise"]


def summarise(problem: Problem, metrics: Metrics) -> dict[str, Any]:
    """Return the summary.

    The studied system's names come first. Two of them mean something better here: its
    ``avg_response_time`` and ``p99_response_time`` are moments at which tasks ended; ours are
    latencies, from ready to end. ``simulate`` is true, as nothing is executed for real.
    """
    waiting, task, request = metrics.waiting, metrics.task_response, metrics.response
    return {
        "total_requests": metrics.requests,
        "completed_requests": metrics.completed_requests,
        "total_nodes_executed": metrics.executed_tasks,
        "mode": "offline" if metrics.offline else "online",
        "simulate": True,
        "gpus": metrics.gpus,
        "makespan": to_seconds(metrics.makespan_us),
        "total_model_switches": metrics.switches,
        "total_switch_time": to_seconds(metrics.switch_us),
        "avg_waiting_time": to_number(waiting.mean),
        "p99_waiting_time": to_number(waiting.p99),
        "avg_response_time": to_number(task.mean),
        "p99_response_time": to_number(task.p99),
        "avg_request_response_time": to_number(request.mean),
        "p99_request_response_time": to_number(request.p99),
        "policy": metrics.policy,
        "first_request_at": format_time(problem.start_us),
        "unfinished_requests": metrics.unfinished_requests,
        "stopped": metrics.stopped,
        "metrics": metrics.to_dict(),
    }
