"""A block as a few structures whose values are columns: one for each shape that requests have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedloom.workload.block import NodeColumns, RequestBlock, WorkflowColumns
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.formats.columns import Choices, Counts, Ids, Lines, Seconds, Times
from fedloom.workload.formats.numbers import Whole
from fedloom.workload.formats.prompt_column import TemplatePrompts
from fedloom.workload.formats.prompts import template_fields

__all__ = ["AlikeRequests", "base_models", "group_alike"]


@dataclass(frozen=True, slots=True)
class AlikeRequests:
    """Requests of a block that differ in values only, not in which fields they have.

    Attributes:
        rows: their positions in the block, ascending.
        fields: of a request, with columns in the place of what differs.
        prompts: the column of prompts.
    """

    rows: Whole
    fields: dict[str, Any]
    prompts: Lines | TemplatePrompts


def base_models(config: WorkloadConfig, columns: WorkflowColumns) -> list[str]:
    """Return the names under which a workflow's models are counted, each once, in node order."""
    return list(dict.fromkeys(model.counted_as for model in config.models_of(columns.workflow)))


def group_alike(block: RequestBlock, config: WorkloadConfig, width: int) -> Iterator[AlikeRequests]:
    """Yield the requests of a block, those with the same fields together.

    Args:
        block: the requests.
        config: what they were drawn from.
        width: digits of their ids.
    """
    for columns in block.workflows:
        kinds = _kinds(block, columns.rows, config)
        for kind in np.unique(kinds):
            places = np.flatnonzero(kinds == kind)
            if len(places):
                yield _Group(block, config, columns, places, width).alike()


def _kinds(block: RequestBlock, rows: Whole, config: WorkloadConfig) -> Whole:
    """Return, for each row, a number that stands for which fields its request has."""
    kinds = np.zeros(len(rows), np.int64)
    if block.deadline_us is not None:
        kinds += block.deadline_us[rows] >= 0
    if block.closed_loop is not None:
        kinds += 2 * (block.closed_loop.after[rows] >= 0)
    if block.prompt_line is None and "i" in template_fields(config.prompts.template):
        powers = 10 ** np.arange(1, 19)
        kinds += 4 * np.searchsorted(powers, block.first + rows, side="right")
    return kinds


@dataclass(frozen=True, slots=True)
class _Group:
    block: RequestBlock
    config: WorkloadConfig
    columns: WorkflowColumns
    places: Whole
    width: int

    @property
    def rows(self) -> Whole:
        return self.columns.rows[self.places]

    @property
    def numbers(self) -> Whole:
        return self.block.first + self.rows

    def alike(self) -> AlikeRequests:
        prompts = self._prompts()
        fields = {
            "request_id": Ids(self.numbers, self.width),
            "timestamp": Times(self.block.time_us[self.rows]),
            "workflow_id": self.columns.workflow.workflow_id,
            "input_data": {"user_prompt": prompts},
            "node_configs": self._configs(),
            "node_execution_times": {
                node.node.node_id: Seconds(node.time_us[self.places]) for node in self.columns.nodes
            },
            "metadata": self._metadata(),
        }
        return AlikeRequests(self.rows, fields, prompts)

    def _prompts(self) -> Lines | TemplatePrompts:
        block, source, rows = self.block, self.config.prompts, self.rows
        if block.prompt_line is not None:
            return Lines(source.lines, block.prompt_line[rows])
        known = block.tenant is not None and "tenant" in template_fields(source.template)
        return TemplatePrompts(
            template=source.template,
            workflow_id=self.columns.workflow.workflow_id,
            numbers=self.numbers,
            width=self.width,
            tenants=tuple(self.config.tenants) if known else ("",),
            tenant=block.tenant[rows] if known and block.tenant is not None else rows,
        )

    def _configs(self) -> dict[str, dict[str, Choices]]:
        return {
            node.node.node_id: {
                option: Choices(self._choices(node, option), index[self.places])
                for option, index in node.options.items()
            }
            for node in self.columns.nodes
            if node.options
        }

    def _choices(self, node: NodeColumns, option: str) -> tuple[Any, ...]:
        return self.config.models[node.node.model_id].options[option].choices

    def _metadata(self) -> dict[str, Any]:
        block, columns, rows, places = self.block, self.columns, self.rows, self.places
        fields: dict[str, Any] = {
            "base_models_used": base_models(self.config, columns),
            "total_estimated_time": Seconds(columns.total_us[places]),
            "critical_path_time": Seconds(columns.critical_us[places]),
        }
        if block.tenant is not None:
            fields["tenant"] = Choices(tuple(self.config.tenants), block.tenant[rows])
        if block.priority is not None:
            distinct, index = np.unique(block.priority[rows], return_inverse=True)
            fields["priority"] = Choices(distinct.tolist(), index)
        if block.deadline_us is not None and block.deadline_us[rows[0]] >= 0:
            fields["deadline"] = Times(block.deadline_us[rows])
        if tokens := self._tokens():
            fields["node_tokens"] = tokens
        loop = block.closed_loop
        if loop is not None and loop.after[rows[0]] >= 0:
            fields["after_request"] = Ids(loop.after[rows], self.width)
            fields["think_time"] = Seconds(loop.think_us[rows])
        return fields

    def _tokens(self) -> dict[str, dict[str, Counts]]:
        return {
            node.node.node_id: {
                name: Counts(node.tokens[name][self.places])
                for name in ("input", "output")
                if name in node.tokens
            }
            for node in self.columns.nodes
            if node.tokens
        }
