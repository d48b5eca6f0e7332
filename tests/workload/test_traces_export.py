"""Exports: rows worked out by hand, and back again."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedloom.errors import InputError, UnknownNameError
from fedloom.workload.config.service_model import Law, LawName, ServiceModel
from fedloom.workload.config.workflow import Node, Workflow
from fedloom.workload.config.workload_config import Tenant, WorkloadConfig
from fedloom.workload.request import Request
from fedloom.workload.traces.registry import EXPORTS, export_requests, import_trace
from fedloom.workload.units import parse_time

START = parse_time("2024-05-01T00:00:00")
SECOND = 1_000_000


def model(name: str, gpus: int, memory: float) -> ServiceModel:
    return ServiceModel(name, name, "llm", memory, gpus, Law(LawName.FIXED, 1.0))


CONFIG = WorkloadConfig(
    name="c.json",
    models={one.model_id: one for one in (model("a", 1, 8.0), model("b", 4, 40.0))},
    workflows={
        "one": Workflow("one", "one", (Node("x", "a"),)),
        # x → y and x → z side by side, both → w
        "fork": Workflow(
            "fork",
            "fork",
            (Node("x", "a"), Node("y", "b"), Node("z", "a"), Node("w", "a")),
            ((0, 1), (0, 2), (1, 3), (2, 3)),
        ),
    },
    tenants={name: Tenant(name) for name in ("red", "blue")},
)


def call(number: int, at_s: float, workflow: str, times: dict[str, float], **more: Any) -> Request:
    tokens = {node: {"input": 100 + number, "output": 10} for node in times}
    metadata = {"node_tokens": tokens} | more
    return Request(
        f"req_{number:04d}", START + round(at_s * SECOND), workflow, {}, {}, times, metadata
    )


FORK = {"x": 1.0, "y": 2.0, "z": 5.5, "w": 0.25}
REQUESTS = [
    call(0, 0.0, "one", {"x": 0.4}, tenant="blue"),
    call(1, 1.5, "fork", FORK, tenant="red"),
    call(2, 3.0, "one", {"x": 2.0}, tenant="green", after_request="req_0000", think_time=1.5),
]


def test_vidur_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    assert export_requests("vidur", iter(REQUESTS), CONFIG, path) == 3
    assert path.read_text() == (
        "arrived_at,num_prefill_tokens,num_decode_tokens\n"
        "0.000000,100,10\n1.500000,404,40\n3.000000,102,10\n"
    )


def test_servegen_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    assert export_requests("servegen", iter(REQUESTS), CONFIG, path) == 3
    assert path.read_text() == (
        "request_id,timestamp,input_tokens,output_tokens,client_id\n"
        "req_0000,0.000000,100,10,blue\n"
        "req_0001,1.500000,404,40,red\n"
        "req_0002,3.000000,102,10,green\n"
    )


@pytest.mark.parametrize("kind", ["vidur", "servegen"])
@pytest.mark.parametrize("tokens", [{}, {"x": {"output": 5}}, {"x": {"input": 5}}])
def test_a_request_without_tokens_is_named(
    kind: str, tokens: dict[str, dict[str, int]], tmp_path: Path
) -> None:
    path = tmp_path / "v.csv"
    path.write_text("old")
    bare = Request("req_0007", START, "one", metadata={"node_tokens": tokens})
    with pytest.raises(InputError, match=r"req_0007 \(workflow one\).*tokens"):
        export_requests(kind, [REQUESTS[0], bare], CONFIG, path)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["v.csv"]


CALLS = st.lists(
    st.tuples(st.integers(0, 10**12), st.integers(0, 10**6), st.integers(0, 10**6)),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize("kind", ["vidur", "servegen"])
@given(calls=CALLS)
@settings(max_examples=25, deadline=None)
def test_round_trips(
    kind: str, calls: list[tuple[int, int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("round") / "t.csv"
    written = [
        Request(f"r{n}", START + t, "one",
                metadata={"node_tokens": {"x": {"input": i, "output": o}}})
        for n, (t, i, o) in enumerate(sorted(calls))
    ]  # fmt: skip
    export_requests(kind, written, CONFIG, path)
    back = list(import_trace(kind, [path]).requests)
    assert [request.time_us - back[0].time_us for request in back] == [
        request.time_us - written[0].time_us for request in written
    ]
    assert [request.metadata["node_tokens"]["generate"] for request in back] == [
        request.metadata["node_tokens"]["x"] for request in written
    ]
    if kind == "servegen":
        assert [request.request_id for request in back] == [r.request_id for r in written]
        again = path.with_name("again.csv")
        export_requests(kind, back, CONFIG, again)
        assert again.read_bytes() == path.read_bytes()


def test_azure_to_vidur_and_back(tmp_path: Path) -> None:
    azure = tmp_path / "azure.csv"
    azure.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        "2023-11-16 18:15:46.6805900,4808,10\n2023-11-16 18:15:50.9951690,3180,8\n"
    )
    export_requests("vidur", import_trace("auto", [azure]).requests, CONFIG, tmp_path / "v.csv")
    with (tmp_path / "v.csv").open() as file:
        assert list(csv.reader(file))[1:] == [["0.000000", "4808", "10"], ["4.314579", "3180", "8"]]


def test_swf_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "w.swf"
    assert export_requests("swf", iter(REQUESTS), CONFIG, path) == 3
    lines = path.read_text().splitlines()
    header = dict(line[2:].split(": ", 1) for line in lines if line.startswith(";"))
    assert header["Version"] == "2.2"
    assert header["MaxJobs"].strip() == "3"
    assert header["MaxProcs"] == "4"
    assert header["MaxRuntime"].strip() == "7"
    assert header["UnixStartTime"].strip() == str(START // SECOND)
    assert header["EndTime"] == "2024-05-01T00:00:08.250000"
    assert header["User 2"] == "blue"
    assert header["Executable 2"] == "fork"
    assert [line.split() for line in lines if not line.startswith(";")] == [
        "1 0 -1 1 1 -1 -1 1 1 8000000 1 2 -1 1 -1 -1 -1 -1".split(),
        "2 1 -1 7 4 -1 -1 4 7 10000000 1 1 -1 2 -1 -1 -1 -1".split(),
        "3 3 -1 2 1 -1 -1 1 2 8000000 1 3 -1 1 -1 -1 1 2".split(),
    ]


def test_swf_knows_preceding_jobs_by_any_name(tmp_path: Path) -> None:
    first = Request("pod-a", START, "one", node_execution_times={"x": 1.0})
    second = Request(
        "pod-b", START, "one", node_execution_times={"x": 1.0},
        metadata={"after_request": "pod-a", "think_time": 0.0},
    )  # fmt: skip
    export_requests("swf", [first, second], CONFIG, tmp_path / "w.swf")
    assert (tmp_path / "w.swf").read_text().splitlines()[-1].split()[-2:] == ["1", "0"]


def load_events(path: Path) -> list[dict[str, Any]]:
    trace: dict[str, Any] = json.loads(path.read_text())
    events: list[dict[str, Any]] = trace["traceEvents"]
    return events


def test_chrome_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    assert export_requests("chrome", iter(REQUESTS), CONFIG, path) == 3
    events = load_events(path)
    names = {event["pid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    assert names == {1: "blue", 2: "red", 3: "green"}
    fork = {event["name"]: event for event in events if event["pid"] == 2 and event["ph"] == "X"}
    spans = {name: (event["ts"], event["dur"], event["tid"]) for name, event in fork.items()}
    assert spans == {
        "req_0001": (1_500_000, 6_750_000, 0),
        "x": (1_500_000, 1_000_000, 0),
        "y": (2_500_000, 2_000_000, 0),
        "z": (2_500_000, 5_500_000, 1),
        "w": (8_000_000, 250_000, 0),
    }
    assert fork["y"]["args"]["gpus"] == 4


@given(
    st.lists(
        st.tuples(st.integers(0, 5_000), st.booleans(), st.lists(st.integers(0, 3_000),
        min_size=4, max_size=4)), min_size=1, max_size=15,
    )
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_chrome_slices_nest(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, bool, list[int]]]
) -> None:
    """On each track, of two slices one holds the other or they do not touch."""
    path = tmp_path_factory.mktemp("chrome") / "t.json"
    requests = [
        call(n, t / 1e3, "fork" if fork else "one", {k: v / 1e3 for k, v in zip("xyzw", times)})  # noqa: B905
        for n, (t, fork, times) in enumerate(sorted(calls))
    ]
    export_requests("chrome", requests, CONFIG, path)
    tracks = defaultdict(list)
    for event in load_events(path):
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append((event["ts"], -event["dur"]))
    for slices in tracks.values():
        open_ends: list[int] = []
        for start, less in sorted(slices):
            while open_ends and open_ends[-1] <= start:
                open_ends.pop()
            assert not open_ends or start - less <= open_ends[-1]
            if less:
                open_ends.append(start - less)


@pytest.mark.parametrize("kind", ["swf", "chrome"])
def test_requests_of_another_configuration(kind: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown workflow 'onee': did you mean 'one'"):
        export_requests(kind, [Request("r", START, "onee")], CONFIG, tmp_path / "x")
    with pytest.raises(InputError, match="request r has no time for node x of workflow one"):
        export_requests(kind, [Request("r", START, "one")], CONFIG, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", sorted(EXPORTS))
def test_no_requests_make_a_file_with_a_head_only(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x"
    assert export_requests(kind, [], CONFIG, path) == 0
    assert path.stat().st_size > 0


def test_submit_times_of_jobs_ascend(tmp_path: Path) -> None:
    export_requests("swf", REQUESTS, CONFIG, tmp_path / "w.swf")
    lines = (tmp_path / "w.swf").read_text().splitlines()
    submits = [int(line.split()[1]) for line in lines if line[0] != ";"]
    assert all(a <= b for a, b in pairwise(submits))


def test_an_unknown_export_is_named() -> None:
    with pytest.raises(UnknownNameError, match="kind of export 'vidor': did you mean 'vidur'"):
        export_requests("vidor", [], CONFIG, Path("x"))
