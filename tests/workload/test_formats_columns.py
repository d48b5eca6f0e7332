"""Blocks by columns give the same bytes as requests one by one, and as the formats' libraries."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedloom.workload.block import ClosedLoopColumns, NodeColumns, RequestBlock, WorkflowColumns
from fedloom.workload.config.service_model import Law, LawName, Option, ServiceModel
from fedloom.workload.config.workflow import Node, Workflow
from fedloom.workload.config.workload_config import PromptSource, Tenant, WorkloadConfig
from fedloom.workload.formats import render
from fedloom.workload.formats.block_requests import block_requests
from fedloom.workload.formats.file_format import FileFormat
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.render import render_block, render_requests
from fedloom.workload.units import parse_time

ODD_WORDS = (
    "yes", "no", "null", "~", "1e3", "1.0e+3", "012", "08", "0x1F", "1:30", "2024-01-01", "=", "<<",
    "a: b", "a #b", "#a", "'", '"', "a'b", 'a"b', "é", "日本", "- x", "-", "?", "{", "[]", "a,b",
    "%a", "@", "`", "*a", "&a", "!a", "|", ">", " lead", "trail ", "line\nbreak", "\n", "tab\t",
    "7b-chat", "\u2028", "\x85", "\x07", "\ufeff", "back\\slash", "true", "False", "on", ".5", "+1",
    "1_000", "a" * 130, "word " * 40 + "end", "Gap0", "GapGap1", "x:",
    "é " * 60, "a  b " * 30, "0o7",
)  # fmt: skip
WORDS = st.one_of(st.sampled_from(ODD_WORDS), st.text(min_size=1, max_size=8))
VISIBLE = st.one_of(
    st.sampled_from([word for word in ODD_WORDS if word.isprintable()]),
    st.text("abc'\"é,:# ", min_size=1, max_size=8),
)
CHOICES = st.one_of(
    WORDS,
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
)
TEMPLATES = st.one_of(
    st.sampled_from(
        [
            "Sample prompt for request {i}",
            "{i}",
            "0{i}",
            "{i}:30",
            "{i}{i}7",
            "{tenant}: {workflow_id} {request_id}",
            "{{{i}}} \\ 'quoted' \"{i}\"",
            "a long text " * 9 + "{i} and " + "then more words " * 8 + "{request_id}",
            "é {i} " * 30,
            "line {i}\nbreak",
            "# {i}",
            "constant",
            "{tenant}",
            "\x01{i}",
            "",
        ]
    ),
    st.lists(
        st.sampled_from(
            [
                "{i}",
                "{request_id}",
                "{tenant}",
                "{workflow_id}",
                " ",
                ":",
                "#",
                "-",
                "e",
                ".",
                "é",
                "7",
            ]
        ),
        min_size=1,
        max_size=8,
    ).map("".join),
)


@st.composite
def configs(draw: st.DrawFn, words: st.SearchStrategy[str] = WORDS) -> WorkloadConfig:
    models = {}
    for model_id in draw(st.lists(words, min_size=1, max_size=3, unique=True)):
        options = draw(
            st.dictionaries(words, st.lists(CHOICES, min_size=1, max_size=3), max_size=2)
        )
        models[model_id] = ServiceModel(
            model_id,
            model_id,
            "any",
            1.0,
            1,
            Law(LawName.FIXED, 1.0),
            base_model=draw(st.one_of(st.none(), words)),
            options={
                name: Option(tuple(values), (1.0,) * len(values))
                for name, values in options.items()
            },
        )
    workflows = {}
    for workflow_id in draw(st.lists(words, min_size=1, max_size=3, unique=True)):
        names = draw(st.lists(words, min_size=1, max_size=3, unique=True))
        nodes = tuple(Node(name, draw(st.sampled_from([*models]))) for name in names)
        workflows[workflow_id] = Workflow(workflow_id, workflow_id, nodes)
    tenants = draw(st.lists(words, max_size=2, unique=True))
    lines = draw(st.one_of(st.just([]), st.lists(words, min_size=1, max_size=4)))
    return WorkloadConfig(
        "c.json",
        models,
        workflows,
        tenants={name: Tenant(name) for name in tenants},
        prompts=PromptSource(draw(TEMPLATES), tuple(lines)),
    )


def draw_block(config: WorkloadConfig, first: int, rows: int, seed: int) -> RequestBlock:
    """A block with everything that a block may have, some of it by the seed."""
    random = np.random.default_rng(seed)
    owner = random.integers(0, len(config.workflows), rows)
    workflows = []
    for number, workflow in enumerate(config.workflows.values()):
        mine = np.flatnonzero(owner == number)
        nodes = []
        for place, (node, model) in enumerate(
            zip(workflow.nodes, config.models_of(workflow), strict=True)
        ):
            options = {
                name: random.integers(0, len(option.choices), len(mine))
                for name, option in model.options.items()
            }
            tokens = {
                name: 10 ** random.integers(0, 7, len(mine)) - 1
                for name in ("output", "input")[: (place + seed) % 3]
            }
            times = 10 ** random.integers(0, 13, len(mine)) - random.integers(0, 2, len(mine))
            nodes.append(NodeColumns(node, times, options, tokens))
        total = np.sum([node.time_us for node in nodes], axis=0)
        longest = np.max([node.time_us for node in nodes], axis=0)
        workflows.append(WorkflowColumns(workflow, mine, tuple(nodes), total, longest))
    arrivals = 1767225600_000000 + np.sort(random.integers(0, 10 ** random.integers(3, 15), rows))
    loop = ClosedLoopColumns(
        after=random.integers(-1, max(first, 1), rows), think_us=random.integers(0, 10**9, rows)
    )
    return RequestBlock(
        first=first,
        time_us=arrivals,
        workflows=tuple(workflows),
        tenant=random.integers(0, len(config.tenants), rows) if config.tenants else None,
        priority=random.integers(-3, 3, rows) if seed % 2 else None,
        deadline_us=np.where(random.random(rows) < 0.5, -1, arrivals + 5) if seed % 3 else None,
        prompt_line=random.integers(0, len(config.prompts.lines), rows)
        if config.prompts.lines
        else None,
        closed_loop=loop if seed % 5 == 0 else None,
    )


def header_of(requests: int) -> Header:
    return Header("2026-01-01T00:00:00", "c.json", requests, 20.0, ("m", "yes"), ("w",))


SIZES = st.tuples(
    st.sampled_from([0, 1, 9, 95, 9_990, 99_999]), st.integers(1, 30), st.integers(0, 99)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configs(), SIZES, st.sampled_from([FileFormat.JSON, FileFormat.YAML, FileFormat.JSONL]))
def test_columns_equal_rows(config, sizes, format):  # noqa: A002
    first, rows, seed = sizes
    block = draw_block(config, first, rows, seed)
    header = header_of(first + rows)
    by_rows = render_requests(block_requests(block, config, header.num_requests), format)
    assert render_block(block, config, header, format) == by_rows


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configs(VISIBLE), SIZES)
def test_columns_equal_rows_in_tables(config, sizes):
    first, rows, seed = sizes
    block = draw_block(config, first, rows, seed)
    header = header_of(first + rows)
    by_rows = render_requests(block_requests(block, config, header.num_requests), FileFormat.CSV)
    assert render_block(block, config, header, FileFormat.CSV) == by_rows


def plain(text: str) -> str:
    """Spell every number with a fraction in one way, with fixed decimals or without."""
    return re.sub(r"(?<= )-?\d+\.\d+(e[+-]\d+)?$", lambda m: repr(float(m[0])), text, flags=re.M)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(configs(), SIZES)
def test_texts_are_those_of_the_libraries(config, sizes):
    """PyYAML, json and our own text of the same data, but for the decimals."""
    first, rows, seed = sizes
    block = draw_block(config, first, min(rows, 8), seed)
    data = [r.to_dict() for r in block_requests(block, config, first + rows)]
    header = header_of(first + rows)
    lines = render_block(block, config, header, FileFormat.JSONL).decode().split("\n")
    assert [json.loads(line) for line in lines] == data
    text = render_block(block, config, header, FileFormat.JSON).decode()
    assert json.loads(f"[{text}]") == data
    text = render_block(block, config, header, FileFormat.YAML).decode() + "\n"
    assert plain(text) == plain(yaml.dump(data, default_flow_style=False, sort_keys=False))


def ordinary(lines: tuple[str, ...] = (), template: str = "Sample prompt for request {i}"):
    """Three workflows, two tenants, options, long prompts: nothing that columns cannot say."""
    models = {
        name: ServiceModel(
            name,
            name,
            "any",
            1.0,
            1,
            Law(LawName.FIXED, 1.0),
            options={
                "size": Option(("512x512", "768x768"), (1.0, 1.0)),
                "style": Option(("plain", "long " * 40, 3, 0.5, None, True), (1.0,) * 6),
            },
        )
        for name in ("chat", "paint")
    }
    workflows = {
        f"w{n}": Workflow(
            f"w{n}", "", tuple(Node(f"n{i}", ("chat", "paint")[i % 2]) for i in range(n))
        )
        for n in (1, 2, 3)
    }
    return WorkloadConfig(
        "c.json",
        models,
        workflows,
        tenants={"a": Tenant("a"), "b: c": Tenant("b: c")},
        prompts=PromptSource(template, lines),
    )


LINES = ("short", "a: colon", "é" * 50, "word " * 300 + "end", '"quoted", and more')


@pytest.mark.parametrize("format", ["json", "yaml", "jsonl", "csv"])
@pytest.mark.parametrize(
    "config",
    [
        ordinary(),
        ordinary(LINES),
        ordinary(template="{tenant}: {i}, " + "many words " * 12 + "{request_id}"),
    ],
    ids=["template", "lines", "folded"],
)
def test_ordinary_blocks_never_take_the_slow_way(format, config, monkeypatch):  # noqa: A002
    """Several thousand rows, so that a block is laid out in several matrices."""
    kind = FileFormat(format)
    block = draw_block(config, 9_000, 2_500, seed=5)
    header = header_of(20_000)
    by_rows = render_requests(block_requests(block, config, 20_000), kind)
    monkeypatch.setattr(render, "render_requests", None)
    assert render_block(block, config, header, kind) == by_rows


def test_ids_and_times_at_their_limits():
    """Widths of ids, thousands of seconds, the first and the last moment of a day, leap years."""
    config = ordinary()
    workflow = config.workflows["w1"]
    times = [0, 1, 999_999, 1_000_000, 999_999_999, 1_000_000_000, 10**15]
    moments = ["1969-12-31T23:59:59.999999", "1970-01-01T00:00:00.000000",
               "2000-02-29T12:00:00.000001", "2024-02-29T23:59:59.999999",
               "2024-03-01T00:00:00.000000", "2100-01-01T09:08:07.060504",
               "9999-12-31T23:59:59.000000"]  # fmt: skip
    work = np.array(times)
    columns = WorkflowColumns(
        workflow, np.arange(7), (NodeColumns(workflow.nodes[0], work),), work, work
    )
    block = RequestBlock(99_997, np.array([parse_time(m) for m in moments]), (columns,))
    text = render_block(block, config, header_of(100_004), FileFormat.JSONL).decode()
    rows = [json.loads(line) for line in text.split("\n")]
    assert [row["timestamp"] for row in rows] == moments
    assert re.findall(r'"n0":([0-9.]+)', text) == [
        "0.000000", "0.000001", "0.999999", "1.000000", "999.999999", "1000.000000",
        "1000000000.000000",
    ]  # fmt: skip
    assert [row["request_id"] for row in rows] == [f"req_{n:06d}" for n in range(99_997, 100_004)]
    assert [row["input_data"]["user_prompt"][-6:] for row in rows][2:4] == [" 99999", "100000"]
