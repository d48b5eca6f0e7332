"""Statistics: by hand, and the same from blocks as from the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.errors import InputError
from fedloom.workload.config.read import read_config
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.formats.block_requests import block_requests
from fedloom.workload.generate import Workload
from fedloom.workload.request import Request
from fedloom.workload.statistics.collect import WorkloadStats
from fedloom.workload.statistics.gaps import Gaps
from fedloom.workload.statistics.histograms import LogHistogram, TimeBins
from fedloom.workload.statistics.page import write_stats_page
from fedloom.workload.statistics.summary import summary_lines


def stats_of(config: WorkloadConfig | None, requests: list[Request]) -> WorkloadStats:
    stats = WorkloadStats(config)
    assert list(stats.add_requests(requests)) == requests
    return stats


def test_two_requests_by_hand(minimal_config: WorkloadConfig) -> None:
    workflow = next(w for w in minimal_config.workflows.values() if len(w.nodes) == 2)
    first, second = workflow.nodes
    times = {first.node_id: 1800.0, second.node_id: 3600.0}
    requests = [
        Request("a", 10_000_000, workflow.workflow_id, {}, {}, times, {"base_models_used": ["x"]}),
        Request("b", 14_000_000, workflow.workflow_id, {}, {}, times, {"base_models_used": ["x"]}),
    ]
    found = stats_of(minimal_config, requests).to_dict()
    models = minimal_config.models
    assert found["total_requests"] == 2
    assert found["workflow_distribution"][workflow.workflow_id] == 2
    assert found["workflow_percentages"][workflow.workflow_id] == 100.0
    assert found["base_model_usage"] == {"x": 2}
    hours = found["gpu_hours_by_model"]
    assert hours[first.model_id] == 1.0 * models[first.model_id].gpus_required
    assert hours[second.model_id] == 2.0 * models[second.model_id].gpus_required
    assert sum(found["gpu_hours_by_model_type"].values()) == sum(hours.values())
    assert found["arrivals"] == {
        "first": "1970-01-01T00:00:10.000000",
        "last": "1970-01-01T00:00:14.000000",
        "span_seconds": 4.0,
        "mean_gap_seconds": 4.0,
        "gap_cv": 0.0,
        "rate_per_second": 0.25,
    }


@pytest.mark.parametrize("name", ["test_baseline.json", "tenants.yaml", "diffusion.json"])
def test_blocks_and_requests_give_the_same(name: str) -> None:
    config = read_config([name]).config
    workload = Workload(config, 700)
    by_block, rows = WorkloadStats(config), []
    for block in workload.blocks():
        by_block.add(block)
        rows += list(block_requests(block, config, workload.count))
    by_row = stats_of(config, rows)
    one, two = by_block.to_dict(), by_row.to_dict()
    for key in one:
        assert one[key] == two[key], key
    view, other = by_block.view("w"), by_row.view("w")
    assert view.arrivals == other.arrivals
    assert view.total_s == other.total_s
    assert view.critical_s == other.critical_s
    assert view.tokens == other.tokens


def test_a_node_that_the_configuration_lacks_is_named(minimal_config: WorkloadConfig) -> None:
    workflow = next(iter(minimal_config.workflows))
    with pytest.raises(InputError, match="node 'other' is not in workflow"):
        stats_of(minimal_config, [Request("r", 0, workflow, {}, {}, {"other": 1.0})])
    with pytest.raises(InputError, match="has no workflow 'other'"):
        stats_of(minimal_config, [Request("r", 0, "other", {}, {}, {"n": 1.0})])


@pytest.mark.parametrize(
    ("metadata", "named"),
    [
        ({"base_models_used": "abc"}, "metadata.base_models_used is 'abc'; a list of names"),
        ({"node_tokens": 5}, "metadata.node_tokens is 5; a map"),
        ({"node_tokens": {"n": [1]}}, r"metadata.node_tokens.n is \[1\]; a map"),
        ({"node_tokens": {"n": {"output": 1.5}}}, "node_tokens.n.output is 1.5; a whole number"),
        ({"node_tokens": {"n": {"output": True}}}, "node_tokens.n.output is True"),
        ({"node_tokens": {"n": {"output": 2**70}}}, "node_tokens.n.output is 1180591"),
        ({"node_tokens": {"n": {"input": -1}}}, "node_tokens.n.input is -1"),
    ],
)
def test_metadata_that_are_none_are_named(metadata: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=f"request odd: .*{named}"):
        stats_of(None, [Request("odd", 0, "w", {}, {}, {"n": 1.0}, metadata)])


def test_metadata_may_be_missing_or_null() -> None:
    empty = {"base_models_used": None, "tenant": None, "node_tokens": None}
    metadata: list[dict[str, object]] = [{}, empty, {"tenant": 7, "base_models_used": [3]}]
    found = stats_of(None, [Request("r", 0, "w", {}, {}, {}, m) for m in metadata]).to_dict()
    assert found["tenant_distribution"] == {"7": 1}
    assert found["base_model_usage"] == {"3": 1}
    assert "tokens" not in found


def test_arrivals_out_of_order_count_as_coming_at_once() -> None:
    times = [10_000_000, 4_000_000, 16_000_000, 12_000_000, 22_000_000]
    stats = stats_of(None, [Request(f"r{i}", t, "w") for i, t in enumerate(times)])
    found = stats.to_dict()["arrivals"]
    assert found["span_seconds"] == 12.0
    assert found["mean_gap_seconds"] == 3.0
    assert found["gap_cv"] == 1.0
    assert sum(stats.view("w").arrivals["w"]) == 5


def test_counts_by_model_stand_in_the_order_of_the_configuration() -> None:
    config = read_config(["test_baseline.json"]).config
    workload = Workload(config, 40)
    rows = [r for b in workload.blocks() for r in block_requests(b, config, workload.count)]
    found = stats_of(config, rows[::-1]).to_dict()
    for key in ("base_model_usage", "calls_by_model"):
        assert list(found[key]) == [name for name in config.models if name in found[key]]


def test_without_a_configuration_hours_are_not_known() -> None:
    found = stats_of(None, [Request("r", 0, "w", {}, {}, {"n": 1.0})])
    assert found.to_dict()["gpu_hours_by_model"] == {}
    assert not any("GPU hours" in line for line in summary_lines(found, "t"))


def test_no_request_at_all() -> None:
    found = stats_of(None, [])
    assert found.to_dict()["arrivals"]["first"] is None
    assert list(summary_lines(found, "nothing"))[1] == "Total requests generated: 0"


def test_the_summary_has_the_lines_that_users_know() -> None:
    config = read_config(["tenants.yaml"]).config
    workload = Workload(config, 200)
    stats = WorkloadStats(config)
    for block in workload.blocks():
        stats.add(block)
    title = "Workflow Request Generation Complete!"
    lines = list(summary_lines(stats, title, workload.header()))
    count = stats.workflows["article"]
    hours = stats.to_dict()["gpu_hours_by_model"]
    assert lines[:4] == [
        "Workflow Request Generation Complete!",
        "Total requests generated: 200",
        "Workflow distribution:",
        f"  article: {count} requests ({count / 2:.1f}%)",
    ]
    assert [line for line in lines if not line.startswith(" ")][2:-2] == [
        "Workflow distribution:",
        "Estimated GPU hours by model:",
        "Base model usage:",
        "Estimated GPU hours by model type:",
        f"Total: {sum(hours.values()):.2f} GPU-hours",
        "Tenant distribution:",
    ]
    first = lines.index("Estimated GPU hours by model:") + 1
    assert lines[first] == f"  chat_8b: {hours['chat_8b']:.2f} GPU-hours"
    used = lines.index("Base model usage:") + 1
    assert lines[used] == f"  chat_8b: {stats.bases['chat_8b']} requests"
    assert lines[-7:-4] == [
        "Generation metadata:",
        "  generation_time: 2024-01-01T10:00:00.000000",
        "  config_file: tenants.yaml",
    ]
    assert lines[-1] == "  workflows_available: article, product_picture, question, indexing"


@given(
    gaps=st.lists(st.integers(0, 10**9), min_size=1, max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_gaps_do_not_depend_on_how_arrivals_come_in(gaps: list[int], cuts: list[int]) -> None:
    times = np.cumsum(np.asarray([5, *gaps], np.int64))
    whole, parts = Gaps(), Gaps()
    whole.add(times)
    for part in np.split(times, sorted(cut for cut in cuts if cut < len(times))):
        parts.add(part)
    assert whole.to_dict() == parts.to_dict()
    seconds = np.diff(times) / 1e6
    assert whole.mean_s == pytest.approx(seconds.mean())
    if seconds.mean():
        assert whole.cv == pytest.approx(seconds.std() / seconds.mean(), abs=1e-6)


@given(times=st.lists(st.integers(0, 10**12), min_size=1, max_size=80))
@settings(max_examples=60, deadline=None)
def test_bins_of_time_lose_nothing_as_they_widen(times: list[int]) -> None:
    bins = TimeBins(most=8)
    for time in times:
        bins.add("a", np.asarray([time]))
    counts = bins.counts()["a"]
    assert len(counts) <= 8
    assert counts == np.bincount(np.asarray(times) // bins.width_us).tolist()


def test_a_log_histogram_counts_what_lies_beyond_at_its_ends() -> None:
    histogram = LogHistogram(1.0, 100.0)
    histogram.add(np.asarray([0.0, 1.0, 99.0, 1e9]))
    edges, counts = histogram.used()
    assert len(edges) == len(counts) + 1 == 21
    assert (counts[0], counts[-1], sum(counts)) == (2, 2, 4)
    assert LogHistogram(1, 10).used() == ([], [])


def test_a_file_without_critical_paths_has_a_page_too(
    minimal_config: WorkloadConfig, tmp_path: Path
) -> None:
    workflow = next(w for w in minimal_config.workflows.values() if len(w.nodes) == 2)
    times = {node.node_id: 1.5 for node in workflow.nodes}
    old = [Request("a", 0, workflow.workflow_id, {}, {}, times)]
    without = stats_of(None, old).view("old")
    assert without.critical_s == {}
    write_stats_page(without, tmp_path / "old.html")
    known = stats_of(minimal_config, old).view("old").critical_s[workflow.workflow_id]
    assert known.total == 1
    assert known.edges[0] <= 3.0 <= known.edges[-1]
    write_stats_page(stats_of(minimal_config, []).view("none"), tmp_path / "none.html")
