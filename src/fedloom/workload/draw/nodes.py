"""Drawing what a node of a workflow does: its tokens, its options and its time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedloom.randomness import derive_generator
from fedloom.workload.block import NodeColumns
from fedloom.workload.config.service_model import ServiceModel, TokenTime
from fedloom.workload.config.workflow import Node
from fedloom.workload.draw.laws import draw_law, law_at_scores
from fedloom.workload.units import MICROSECONDS

__all__ = ["LONGEST_CALL_S", "MOST_TOKENS", "NodeKey", "draw_node"]

Whole = NDArray[np.int64]

LONGEST_CALL_S = 1e9
"""A call that would take longer takes this, 32 years: laws with long tails, and factors that are
multiplied, must not lead beyond what whole microseconds of 64 bits hold."""

MOST_TOKENS = 1e9
"""A call with more tokens has so many."""


@dataclass(frozen=True, slots=True)
class NodeKey:
    """What the draws of a node depend on, beside its model: nothing of any other node.

    Attributes:
        seed: of the workload.
        stream: the tenant whose own arrivals they belong to, or "".
        workflow_id: the workflow.
        node_id: the node.
        block: number of the block in its stream.
    """

    seed: int
    stream: str
    workflow_id: str
    node_id: str
    block: int

    def generator(self, purpose: str, *parts: str) -> np.random.Generator:
        """Return the generator of one field."""
        place = (self.stream, self.workflow_id, self.node_id, *parts)
        return derive_generator(self.seed, f"workload {purpose}", *place, self.block)


def draw_node(key: NodeKey, node: Node, model: ServiceModel, count: int) -> NodeColumns:
    """Return the columns of `count` calls.

    No call takes less than a microsecond or more than `LONGEST_CALL_S`.
    """
    options = {
        name: key.generator("option", name).integers(len(model.options[name].choices), size=count)
        for name in dict.fromkeys(node.config_options)
        if name in model.options and model.options[name].choices
    }
    tokens: Mapping[str, Whole] = {}
    if isinstance(model.time, TokenTime):
        tokens = _draw_tokens(key, model.time, count)
        seconds = _token_seconds(model.time, tokens)
    else:
        seconds = draw_law(model.time, key.generator("time"), count)
    seconds = np.minimum(seconds, LONGEST_CALL_S)
    for name, chosen in options.items():
        factors = np.asarray(model.options[name].factors)
        seconds = np.minimum(seconds * factors[chosen], LONGEST_CALL_S)
    time_us = np.maximum(np.rint(seconds * MICROSECONDS), 1).astype(np.int64)
    return NodeColumns(node, time_us, options, tokens)


def _draw_tokens(key: NodeKey, time: TokenTime, count: int) -> Mapping[str, Whole]:
    if time.input is None:
        return {"output": _whole(draw_law(time.output, key.generator("output tokens"), count))}
    if time.correlation == 0:
        given = draw_law(time.input, key.generator("input tokens"), count)
        made = draw_law(time.output, key.generator("output tokens"), count)
    else:
        scores = key.generator("input tokens").standard_normal(count)
        own = key.generator("output tokens").standard_normal(count)
        mixed = time.correlation * scores + np.sqrt(1 - time.correlation**2) * own
        given, made = law_at_scores(time.input, scores), law_at_scores(time.output, mixed)
    return {"input": _whole(given), "output": _whole(made)}


def _token_seconds(time: TokenTime, tokens: Mapping[str, Whole]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # at speeds next to 0; who calls this sets a limit
        seconds: NDArray[np.float64] = tokens["output"] / time.tokens_per_second
        if time.prefill_tokens_per_second and "input" in tokens:
            seconds = seconds + tokens["input"] / time.prefill_tokens_per_second
    return seconds


def _whole(numbers: NDArray[np.float64]) -> Whole:
    """Return token counts: cut to whole numbers, at least one."""
    return np.clip(numbers, 1, MOST_TOKENS).astype(np.int64)
