"""What exports need of a request: its tokens, and its workflow's nodes laid out in time."""

from __future__ import annotations

from dataclasses import dataclass

from fedloom.errors import InputError, UnknownNameError
from fedloom.workload.config.workflow import Workflow
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.units import to_microseconds

__all__ = ["NodeSpan", "node_spans", "token_counts", "workflow_of_request"]


@dataclass(frozen=True, slots=True)
class NodeSpan:
    """When a node runs if nothing else holds it up.

    Attributes:
        position: of the node in its workflow.
        start_us: since the request's arrival.
        end_us: since the request's arrival.
    """

    position: int
    start_us: int
    end_us: int


def token_counts(request: Request, kind: str) -> tuple[int, int]:
    """Return the input and output tokens of a request, summed over its nodes.

    Args:
        request: with ``node_tokens`` in its metadata.
        kind: of the export, for the error.

    Raises:
        InputError: the request has no tokens, or no input or output tokens.
    """
    nodes = request.metadata.get("node_tokens") or {}
    sums = [
        sum(counts[side] for counts in nodes.values() if side in counts)
        for side in ("input", "output")
        if any(side in counts for counts in nodes.values())
    ]
    if len(sums) == 2:
        return sums[0], sums[1]
    what = "input and output tokens" if not sums else "both input and output tokens"
    raise InputError(
        f"request {request.request_id} (workflow {request.workflow_id}) does not have {what}, "
        f"which {kind} needs; give its models input_tokens and output_tokens, or leave it out"
    )


def workflow_of_request(request: Request, config: WorkloadConfig) -> Workflow:
    """Return the workflow that a request calls.

    Raises:
        UnknownNameError: the configuration does not have it.
    """
    try:
        return config.workflows[request.workflow_id]
    except KeyError:
        raise UnknownNameError("workflow", request.workflow_id, config.workflows) from None


def node_spans(request: Request, workflow: Workflow) -> list[NodeSpan]:
    """Return when each node would run on an empty, large enough cluster, by start.

    Raises:
        InputError: the request does not say how long a node takes.
    """
    times = request.node_execution_times
    if missing := [node.node_id for node in workflow.nodes if node.node_id not in times]:
        raise InputError(
            f"request {request.request_id} has no time for node {missing[0]} of workflow "
            f"{workflow.workflow_id}; use the configuration that it was made from"
        )
    ends = [0] * len(workflow.nodes)
    spans = []
    for position in workflow.order:
        start = max((ends[before] for before in workflow.predecessors[position]), default=0)
        ends[position] = start + to_microseconds(times[workflow.nodes[position].node_id])
        spans.append(NodeSpan(position, start, ends[position]))
    return sorted(spans, key=lambda span: (span.start_us, span.position))
