"""The requests of a block one by one, as objects: for what cannot be said by columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fedloom.workload.block import RequestBlock, WorkflowColumns
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.formats.block_structures import base_models
from fedloom.workload.formats.numbers import id_width, print_id
from fedloom.workload.formats.prompts import fill_template
from fedloom.workload.request import Request
from fedloom.workload.units import format_time, to_seconds

__all__ = ["block_requests"]


def block_requests(
    block: RequestBlock, config: WorkloadConfig, num_requests: int
) -> Iterator[Request]:
    """Yield the requests of a block, in order.

    Args:
        block: the requests.
        config: what they were drawn from.
        num_requests: of the whole workload; it gives the width of ids.
    """
    width = id_width(num_requests)
    places = {
        row: (columns, place)
        for columns in block.workflows
        for place, row in enumerate(columns.rows.tolist())
    }
    for row in range(len(block)):
        columns, place = places[row]
        yield _request(block, config, columns, row, place, width)


def _request(
    block: RequestBlock,
    config: WorkloadConfig,
    columns: WorkflowColumns,
    row: int,
    place: int,
    width: int,
) -> Request:
    metadata = {
        "base_models_used": base_models(config, columns),
        "total_estimated_time": to_seconds(columns.total_us[place]),
        "critical_path_time": to_seconds(columns.critical_us[place]),
        **_stated(block, config, row),
        **_tokens(columns, place),
        **_waiting(block, row, width),
    }
    return Request(
        request_id=print_id(block.first + row, width),
        time_us=int(block.time_us[row]),
        workflow_id=columns.workflow.workflow_id,
        input_data={"user_prompt": _prompt(block, config, columns, row, width)},
        node_configs={
            node.node.node_id: {
                option: config.models[node.node.model_id].options[option].choices[index[place]]
                for option, index in node.options.items()
            }
            for node in columns.nodes
            if node.options
        },
        node_execution_times={
            node.node.node_id: to_seconds(node.time_us[place]) for node in columns.nodes
        },
        metadata=metadata,
    )


def _prompt(
    block: RequestBlock, config: WorkloadConfig, columns: WorkflowColumns, row: int, width: int
) -> str:
    if block.prompt_line is not None:
        return config.prompts.lines[int(block.prompt_line[row])]
    number = block.first + row
    return fill_template(
        config.prompts.template,
        i=str(number),
        request_id=print_id(number, width),
        workflow_id=columns.workflow.workflow_id,
        tenant="" if block.tenant is None else list(config.tenants)[block.tenant[row]],
    )


def _stated(block: RequestBlock, config: WorkloadConfig, row: int) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if block.tenant is not None:
        fields["tenant"] = list(config.tenants)[block.tenant[row]]
    if block.priority is not None:
        fields["priority"] = int(block.priority[row])
    if block.deadline_us is not None and block.deadline_us[row] >= 0:
        fields["deadline"] = format_time(block.deadline_us[row])
    return fields


def _tokens(columns: WorkflowColumns, place: int) -> dict[str, Any]:
    tokens = {
        node.node.node_id: {
            name: int(node.tokens[name][place])
            for name in ("input", "output")
            if name in node.tokens
        }
        for node in columns.nodes
        if node.tokens
    }
    return {"node_tokens": tokens} if tokens else {}


def _waiting(block: RequestBlock, row: int, width: int) -> dict[str, Any]:
    loop = block.closed_loop
    if loop is None or loop.after[row] < 0:
        return {}
    return {
        "after_request": print_id(int(loop.after[row]), width),
        "think_time": to_seconds(loop.think_us[row]),
    }
