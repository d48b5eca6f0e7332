"""Draws at the edges: what a configuration may say, however wild, becomes times that fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.randomness import derive_generator
from fedloom.workload.config.check import check_mapping
from fedloom.workload.config.service_model import Law, LawName, Option, ServiceModel, TokenTime
from fedloom.workload.config.workflow import Node, Workflow
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.draw.block import LATEST_US, draw_calls, place_calls
from fedloom.workload.draw.laws import draw_law, law_at_scores
from fedloom.workload.draw.nodes import LONGEST_CALL_S, MOST_TOKENS, NodeKey, draw_node
from fedloom.workload.generate import Workload
from fedloom.workload.statistics.collect import WorkloadStats

KEY = NodeKey(1, "", "w", "n", 0)
LONGEST_US = round(LONGEST_CALL_S * 1e6)
WILD = (LawName.LOGNORMAL, LawName.GAMMA, LawName.PARETO, LawName.NORMAL, LawName.UNIFORM)


def model(time: Law | TokenTime, **options: Option) -> ServiceModel:
    return ServiceModel("m", "M", "any", 1, 1, time, options=options)


@pytest.mark.parametrize("name", WILD)
@pytest.mark.parametrize(("mean", "std"), [(1e-300, 1e8), (1e8, 1e9), (1.0, 1e9), (1e8, 1e-300)])
def test_a_wild_law_gives_times_that_fit(name: LawName, mean: float, std: float) -> None:
    law = Law(name, mean, std)
    drawn = draw_law(law, derive_generator(1, "law"), 2000)
    assert not np.isnan(drawn).any()
    assert drawn.min() >= 0
    assert not np.isnan(law_at_scores(law, np.linspace(-8, 8, 161))).any()
    time_us = draw_node(KEY, Node("n", "m"), model(law), 2000).time_us
    assert 1 <= time_us.min() <= time_us.max() <= LONGEST_US


def test_factors_that_are_multiplied_stay_within_the_longest_call() -> None:
    options = {f"o{i}": Option((1,), (1e4,)) for i in range(90)}
    node = Node("n", "m", config_options=tuple(options))
    drawn = draw_node(KEY, node, model(Law(LawName.FIXED, 1e8), **options), 10)
    assert drawn.time_us.tolist() == [LONGEST_US] * 10


@pytest.mark.parametrize("correlation", [0.0, 0.9, -1.0])
@pytest.mark.parametrize("name", WILD)
def test_tokens_stay_within_their_most(name: LawName, correlation: float) -> None:
    law = Law(name, 1e8, 1e9, 1)
    drawn = draw_node(
        KEY, Node("n", "m"), model(TokenTime(law, 1e-300, law, 1e-3, correlation)), 999
    )
    for counts in drawn.tokens.values():
        assert 1 <= counts.min() <= counts.max() <= MOST_TOKENS
    assert drawn.time_us.max() == LONGEST_US


def test_a_deadline_after_all_times_is_the_last_moment() -> None:
    long = model(Law(LawName.FIXED, 1e9))
    nodes = tuple(Node(f"n{i}", "m") for i in range(50))
    chain = Workflow("w", "W", nodes, tuple((i, i + 1) for i in range(49)), slo_factor=1e4)
    config = WorkloadConfig("c", {"m": long}, {"w": chain})
    calls = draw_calls(config, [], seed=1, stream="", block=0, count=3)
    assert calls.critical_us.tolist() == [50 * LONGEST_US] * 3
    block = place_calls(config, calls, 0, np.array([0, 1, LATEST_US]))
    assert block.deadline_us is not None
    assert block.deadline_us.tolist() == [LATEST_US] * 3


def test_the_sum_of_the_longest_calls_is_exact() -> None:
    document = {
        "models": {"m": {"type": "any", "memory_gb": 1, "gpus_required": 8,
                         "inference_time_mean": 1e8, "time_law": "fixed",
                         "config": {"o": [1]}, "option_time_factors": {"o": {"1": 1e4}}}},
        "workflows": {"w": {"nodes": [{"id": "n", "model": "m", "config_options": ["o"]}]}},
    }  # fmt: skip
    config = check_mapping(document).config
    assert config is not None
    stats = WorkloadStats(config)
    for block in Workload(config, 16_384).blocks():
        stats.add(block)
    assert stats.model_us["m"] == 16_384 * LONGEST_US * 8 > 2**63


@given(
    name=st.sampled_from(list(LawName)),
    mean=st.floats(1e-12, 1e8),
    std=st.floats(0, 1e9),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=80, deadline=None)
def test_whatever_a_law_says_times_fit(name: LawName, mean: float, std: float, seed: int) -> None:
    key = NodeKey(seed, "", "w", "n", 0)
    options = {"o": Option((1, 2), (1e-4, 1e4))}
    node = Node("n", "m", config_options=("o",))
    time_us = draw_node(key, node, model(Law(name, mean, std), **options), 100).time_us
    assert 1 <= time_us.min() <= time_us.max() <= LONGEST_US
