"""Who asks for what, and streams that are merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fedloom.workload.block import ClosedLoopColumns, NodeColumns, RequestBlock, WorkflowColumns
from fedloom.workload.config.service_model import Law, LawName, Option, ServiceModel, TokenTime
from fedloom.workload.config.workflow import Node, Workflow
from fedloom.workload.config.workload_config import Tenant, WorkloadConfig
from fedloom.workload.draw.block import critical_path_columns, draw_calls, place_calls
from fedloom.workload.draw.merge import merge_blocks
from fedloom.workload.draw.mix import choose_by_weight
from fedloom.workload.draw.nodes import NodeKey, draw_node

CHAT = ServiceModel(
    "chat",
    "Chat",
    "llm",
    14,
    1,
    TokenTime(
        Law(LawName.LOGNORMAL, 400, 200, 1),
        50.0,
        Law(LawName.LOGNORMAL, 900, 600, 1),
        2000.0,
        correlation=0.7,
    ),
)
IMAGE = ServiceModel(
    "image",
    "Image",
    "image_generation",
    8,
    1,
    Law(LawName.NORMAL, 2, 0.5, 0.1),
    options={"steps": Option((20, 40), (1.0, 2.0))},
)
DRAW = Workflow(
    "draw", "Draw", (Node("a", "chat"), Node("b", "image", config_options=("steps",))), ((0, 1),)
)
TALK = Workflow("talk", "Talk", (Node("a", "chat"),), weight=3.0, priority=1, slo_factor=2.0)
CONFIG = WorkloadConfig("c", {"chat": CHAT, "image": IMAGE}, {"draw": DRAW, "talk": TALK})
KEY = NodeKey(1, "", "draw", "b", 0)


def test_weights_are_shares() -> None:
    uniform = np.random.default_rng(0).random(40_000)
    counts = np.bincount(choose_by_weight([1, 0, 2, 1], uniform))
    assert counts[1] == 0
    assert stats.chisquare(counts[[0, 2, 3]], [10_000, 20_000, 10_000]).pvalue > 0.01


def test_a_number_close_to_one_does_not_lead_beyond_the_last_weight() -> None:
    assert choose_by_weight([0.1] * 3 + [0.0], np.array([np.nextafter(1, 0)])).tolist() == [2]


def test_an_option_multiplies_the_time_by_its_factor() -> None:
    columns = draw_node(KEY, DRAW.nodes[1], IMAGE, 1000)
    plain = draw_node(KEY, Node("b", "image"), IMAGE, 1000)
    factor = np.where(columns.options["steps"] == 1, 2.0, 1.0)
    np.testing.assert_allclose(columns.time_us, plain.time_us * factor, atol=1)
    assert set(columns.options["steps"].tolist()) == {0, 1}


def test_tokens_make_the_time_of_a_language_model() -> None:
    columns = draw_node(KEY, DRAW.nodes[0], CHAT, 1000)
    seconds = columns.tokens["output"] / 50 + columns.tokens["input"] / 2000
    np.testing.assert_allclose(columns.time_us / 1e6, seconds, atol=1e-6)


def test_input_and_output_are_correlated_as_stated() -> None:
    tokens = draw_node(KEY, DRAW.nodes[0], CHAT, 20_000).tokens
    # Spearman's rank correlation of a Gaussian copula: 6/π · arcsin(ρ/2).
    expected = 6 / np.pi * np.arcsin(0.7 / 2)
    found = stats.spearmanr(tokens["input"], tokens["output"]).statistic
    assert found == pytest.approx(expected, abs=0.02)


def test_a_call_takes_at_least_a_microsecond() -> None:
    none = ServiceModel("m", "M", "utility", 1, 0, Law(LawName.FIXED, 0.0))
    assert draw_node(KEY, Node("n", "m"), none, 2).time_us.tolist() == [1, 1]


def test_another_workflow_or_node_leaves_the_draws_of_the_others_alone() -> None:
    wider = Workflow(
        "draw", "Draw", (Node("new", "image"), *DRAW.nodes), ((1, 2),), weight=DRAW.weight
    )
    config = WorkloadConfig("c", CONFIG.models, {"draw": wider, "talk": TALK})
    one, two = (
        draw_calls(c, [], seed=5, stream="", block=0, count=500).workflows for c in (CONFIG, config)
    )
    for before, after in zip(one[0].nodes, two[0].nodes[1:], strict=True):
        np.testing.assert_array_equal(before.time_us, after.time_us)
    np.testing.assert_array_equal(one[1].nodes[0].time_us, two[1].nodes[0].time_us)


def test_fewer_requests_are_the_first_of_more() -> None:
    few, many = (draw_calls(CONFIG, [], seed=5, stream="", block=3, count=n) for n in (100, 1000))
    np.testing.assert_array_equal(few.critical_us, many.critical_us[:100])


def test_critical_path_of_a_fork_and_join_by_hand() -> None:
    fork = Workflow(
        "f", "F", tuple(Node(n, "chat") for n in "abcd"), ((0, 1), (0, 2), (1, 3), (2, 3))
    )
    times = [np.array([1, 1]), np.array([5, 2]), np.array([3, 9]), np.array([1, 1])]
    assert critical_path_columns(fork, times).tolist() == [7, 11]
    assert [fork.critical_path([int(t[i]) for t in times]) for i in (0, 1)] == [7, 11]


def test_priorities_and_deadlines_of_the_tenant_come_before_the_workflow_s() -> None:
    tenants = {
        "gold": Tenant("gold", priority=9, slo_factor=1.5),
        "plain": Tenant("plain", mix={"talk": 1}),
    }
    config = WorkloadConfig("c", CONFIG.models, CONFIG.workflows, tenants)
    calls = draw_calls(config, [0, 1], seed=1, stream="", block=0, count=400)
    block = place_calls(config, calls, 0, np.arange(400))
    assert block.tenant is not None
    assert block.priority is not None
    assert block.deadline_us is not None
    assert set(block.priority[block.tenant == 0]) == {9}
    assert set(block.priority[block.tenant == 1]) == {1}
    allowed = (block.deadline_us - block.time_us) / calls.critical_us
    np.testing.assert_allclose(allowed[block.tenant == 0], 1.5, rtol=1e-6)
    np.testing.assert_allclose(allowed[block.tenant == 1], 2.0, rtol=1e-6)
    talkers = next(c for c in block.workflows if c.workflow is TALK)
    assert set(np.flatnonzero(block.tenant == 1)) <= set(talkers.rows.tolist())


def test_where_nothing_states_priorities_there_are_none() -> None:
    config = WorkloadConfig("c", CONFIG.models, {"draw": DRAW})
    calls = draw_calls(config, [], seed=1, stream="", block=0, count=3)
    block = place_calls(config, calls, 0, np.arange(3))
    assert block.priority is None
    assert block.deadline_us is None


# Merging


def tiny_block(first: int, times: list[int], marks: list[int], loop: bool) -> RequestBlock:
    """Return a block whose two workflows take turns; each request's time is its mark."""
    n, parts = len(times), []
    mark = np.asarray(marks, np.int64)
    for turn, workflow in enumerate((TALK, TALK_TOO)):
        rows = np.arange(turn, n, 2)
        if len(rows):
            node = NodeColumns(workflow.nodes[0], mark[rows], {}, {"output": mark[rows]})
            parts.append(WorkflowColumns(workflow, rows, (node,), mark[rows], mark[rows]))
    after = np.arange(first, first + n) - 1
    closed = ClosedLoopColumns(after, mark) if loop else None
    return RequestBlock(first, np.asarray(times, np.int64), tuple(parts), closed_loop=closed)


TALK_TOO = Workflow("talk-too", "Talk too", TALK.nodes)


@given(
    streams=st.lists(
        st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=6), max_size=4), max_size=4
    ),
    loop=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_merging_is_a_stable_sort(streams: list[list[list[int]]], loop: bool) -> None:
    expected, made, mark = [], [], 0
    for number, sizes in enumerate(streams):
        times = sorted(t for chunk in sizes for t in chunk)
        blocks, first = [], 0
        for chunk in sizes:
            own = times[first : first + len(chunk)]
            marks = list(range(mark, mark + len(chunk)))
            blocks.append(tiny_block(first, own, marks, loop))
            previous = [marks[0] - 1 if first else -1, *marks[:-1]]
            for place, (time, m) in enumerate(zip(own, marks, strict=True)):
                name = (TALK, TALK_TOO)[place % 2].workflow_id
                expected.append((time, number, m, name, previous[place]))
            first, mark = first + len(chunk), mark + len(chunk)
        made.append(blocks)
    expected.sort(key=lambda row: row[:3])
    number_of = {row[2]: i for i, row in enumerate(expected)}

    found, count = [], 0
    for block in merge_blocks(made):
        assert block.first == count
        count += len(block)
        rows: dict[int, tuple[int, str]] = {}
        for columns in block.workflows:
            assert np.all(np.diff(columns.rows) > 0)
            np.testing.assert_array_equal(columns.nodes[0].time_us, columns.total_us)
            np.testing.assert_array_equal(columns.nodes[0].tokens["output"], columns.total_us)
            for row, m in zip(columns.rows, columns.total_us, strict=True):
                rows[int(row)] = (int(m), columns.workflow.workflow_id)
        assert sorted(rows) == list(range(len(block)))
        after = block.closed_loop.after if block.closed_loop else np.full(len(block), -1)
        found += [(int(t), *rows[i], int(after[i])) for i, t in enumerate(block.time_us.tolist())]
    wanted = [
        (t, m, name, number_of[before] if loop and before >= 0 else -1)
        for t, _, m, name, before in expected
    ]
    assert found == wanted
