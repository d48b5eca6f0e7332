"""A task: one node of one request, ready to run, as a policy sees it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Task"]


@dataclass(slots=True, eq=False)
class Task:
    """What waits in the queue. All times are whole microseconds.

    The simulator makes one of each node of a request once all that it waits for has ended; a task
    queue that schedules something else fills in what it knows.

    Attributes:
        index: unique; earlier tasks of a workload have smaller ones.
        request: number of the request it belongs to.
        request_id: its name.
        node_id: which node of the workflow it is.
        model: name of the service model that must be resident where it runs.
        gpus: how many devices it takes at once.
        memory_mb: what the model occupies on each of them.
        arrival_us: when its request arrived.
        ready_us: when it became ready.
        estimate_us: how long it is expected to run on a device of speed 1.
        remaining_us: longest path through its request from here, itself included, by estimates.
        deadline_us: when its request should be done; None: no deadline.
        priority: larger is more urgent; 0 unless stated.
        tenant: to whom it belongs; "" where there are no tenants.
    """

    index: int
    request: int
    request_id: str
    node_id: str
    model: str
    gpus: int
    memory_mb: int
    arrival_us: int
    ready_us: int
    estimate_us: int
    remaining_us: int
    deadline_us: int | None = None
    priority: int = 0
    tenant: str = ""
