"""Requests as columns: what a file says of each, checked against the configuration."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedloom.errors import InputError, UnknownNameError
from fedloom.scheduling.problem import NEVER
from fedloom.workload.config.workflow import Workflow
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.units import MICROSECONDS, parse_time, to_microseconds

__all__ = ["LONGEST_S", "GatheredRequests", "WorkflowCalls"]

LONGEST_S = 1e9
"""No node and no thinking takes longer: thirty years."""

Whole = NDArray[np.int64]


class WorkflowCalls:
    """The calls of one workflow, in the order in which requests were given.

    Attributes:
        workflow: which.
        requests: positions of the requests, in the order given.
    """

    def __init__(self, workflow: Workflow) -> None:
        self.workflow = workflow
        self.requests = array("q")
        self._nodes = tuple(node.node_id for node in workflow.nodes)
        self._pick = itemgetter(*self._nodes)
        self._seconds = array("d")

    def add(self, number: int, request: Request) -> None:
        """Take in a request.

        Raises:
            InputError: it lacks the time of a node, names another, or a time is no number.
        """
        times = request.node_execution_times
        try:
            picked = self._pick(times)
            self._seconds.extend(picked if len(self._nodes) > 1 else (picked,))
        except (KeyError, TypeError) as error:
            raise InputError(self._find_fault(request)) from error
        if len(times) != len(self._nodes):
            raise InputError(self._find_fault(request))
        self.requests.append(number)

    def times_us(self, ids: list[str]) -> Whole:
        """Return the nodes' times, [calls, nodes].

        Raises:
            InputError: a time is negative, no number, or longer than `LONGEST_S`.
        """
        seconds = np.frombuffer(self._seconds).reshape(-1, len(self._nodes))
        good = (seconds >= 0) & (seconds <= LONGEST_S)
        if not good.all():
            row, node = np.argwhere(~good)[0]
            raise InputError(
                f"request {ids[self.requests[row]]}: node {self._nodes[node]!r} takes "
                f"{seconds[row, node]:g} s; a time is a number from 0 to {LONGEST_S:g}"
            )
        return np.rint(seconds * MICROSECONDS).astype(np.int64)

    def _find_fault(self, request: Request) -> str:
        where = f"request {request.request_id}: node_execution_times"
        times: Any = request.node_execution_times
        if not isinstance(times, Mapping):
            return f"{where} is {times!r}; give a mapping of nodes to seconds"
        for node in self._nodes:
            if node not in times:
                return f"{where} has no node {node!r} of workflow {self.workflow.workflow_id!r}"
            if not isinstance(times[node], int | float):
                return f"{where}: {node!r} takes {times[node]!r}, which is no number of seconds"
        extra = next(node for node in times if node not in self._nodes)
        return f"{where}: {UnknownNameError('node', str(extra), self._nodes)}"


class GatheredRequests:
    """Requests as columns, in the order given.

    Args:
        config: whose workflows they call.

    Attributes:
        ids: their names.
        time_us: when they arrive, microseconds since 1970.
        calls: by workflow.
        tenants: id → position; those of the configuration, or, if it has none, all that are named.
    """

    def __init__(self, config: WorkloadConfig) -> None:
        self.ids: list[str] = []
        self.time_us = array("q")
        self.calls = {name: WorkflowCalls(graph) for name, graph in config.workflows.items()}
        self.tenants = {name: number for number, name in enumerate(config.tenants)}
        self._fixed_tenants = bool(config.tenants)
        self._tenant = array("q")
        self._priority = array("q")
        self._deadline_us = array("q")
        self.after: dict[int, tuple[str, int]] = {}
        """Request → the name of the one it waits for, and how long it thinks, µs."""

    def add_all(self, requests: Iterable[Request]) -> None:
        """Take in requests.

        Raises:
            InputError: a request calls an unknown workflow or states something impossible.
        """
        for number, request in enumerate(requests):
            calls = self.calls.get(request.workflow_id)
            if calls is None:
                unknown = UnknownNameError("workflow", str(request.workflow_id), self.calls)
                raise InputError(f"request {request.request_id}: {unknown}")
            calls.add(number, request)
            self.ids.append(request.request_id)
            self.time_us.append(request.time_us)
            try:
                self._add_metadata(number, request.metadata)
            except (ValueError, TypeError, OverflowError) as error:
                raise InputError(f"request {request.request_id}: metadata.{error}") from error

    def column(self, name: str) -> Whole:
        """Return ``tenant``, ``priority`` or ``deadline_us`` of all requests."""
        columns = {
            "tenant": self._tenant,
            "priority": self._priority,
            "deadline_us": self._deadline_us,
        }
        return np.frombuffer(columns[name], dtype=np.int64)

    def _add_metadata(self, number: int, metadata: Mapping[str, Any]) -> None:
        get = metadata.get
        tenant = get("tenant")
        self._tenant.append(-1 if tenant is None else self._number_tenant(tenant))
        priority = get("priority")
        self._priority.append(0 if priority is None else _whole("priority", priority))
        deadline = get("deadline")
        self._deadline_us.append(NEVER if deadline is None else _moment("deadline", deadline))
        before = get("after_request")
        if before is not None:
            if not isinstance(before, str):
                raise ValueError(f"after_request is {before!r}; give a name")
            self.after[number] = (before, _span_us("think_time", get("think_time", 0.0)))

    def _number_tenant(self, tenant: object) -> int:
        if not isinstance(tenant, str):
            raise ValueError(f"tenant is {tenant!r}; give a name")
        known = self.tenants.get(tenant)
        if known is None:
            if self._fixed_tenants:
                raise ValueError(f"tenant: {UnknownNameError('tenant', tenant, self.tenants)}")
            known = self.tenants[tenant] = len(self.tenants)
        return known


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**62:
        raise ValueError(f"{name} is {value!r}; give a whole number")
    return value


def _moment(name: str, value: object) -> int:
    try:
        return parse_time(str(value))
    except ValueError:
        raise ValueError(f"{name} is {value!r}; give an ISO time") from None


def _span_us(name: str, value: object) -> int:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    if not usable or not 0 <= value <= LONGEST_S:  # type: ignore[operator]
        raise ValueError(f"{name} is {value!r}; give seconds from 0 to {LONGEST_S:g}")
    return to_microseconds(value)  # type: ignore[arg-type]
