"""A file of two requests in each format: the expected text, and what libraries read in it."""

from __future__ import annotations

import gzip
import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from fedloom.errors import InputError, OutputError
from fedloom.workload.block import ClosedLoopColumns, NodeColumns, RequestBlock, WorkflowColumns
from fedloom.workload.config.service_model import Law, LawName, Option, ServiceModel
from fedloom.workload.config.workflow import Node, Workflow
from fedloom.workload.config.workload_config import PromptSource, Tenant, WorkloadConfig
from fedloom.workload.formats.block_requests import block_requests
from fedloom.workload.formats.file_format import FileFormat, format_of
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.read import read_requests
from fedloom.workload.formats.render import render_block
from fedloom.workload.formats.write import open_writer, write_requests
from fedloom.workload.units import parse_time

LAW = Law(LawName.FIXED, 1.0)
CHAT = ServiceModel("chat-7b", "Chat", "llm", 14, 1, LAW, base_model="chat")
PAINT = ServiceModel(
    "paint",
    "Paint",
    "image_generation",
    8,
    1,
    LAW,
    options={"size": Option(("512x512", "1:1"), (1, 1)), "steps": Option((20, 30), (1, 1))},
)
DRAW = Workflow(
    "draw", "Draw", (Node("ask", "chat-7b"), Node("make", "paint", (), (), ("size", "steps")))
)
ANSWER = Workflow("answer", "Answer", (Node("ask", "chat-7b"),))
START = parse_time("2026-01-01T08:00:00")


@pytest.fixture
def config() -> WorkloadConfig:
    return WorkloadConfig(
        "small.json",
        {"chat-7b": CHAT, "paint": PAINT},
        {"draw": DRAW, "answer": ANSWER},
        tenants={"blue": Tenant("blue"), "red, team": Tenant("red, team")},
        prompts=PromptSource('Say "{i}" to {tenant}'),
    )


@pytest.fixture
def header() -> Header:
    return Header(
        "2026-01-01T08:00:00", "small.json", 2, 1.0, ("chat-7b", "paint"), ("draw", "answer")
    )


@pytest.fixture
def block() -> RequestBlock:
    """Request 0 answers, request 1 draws, waits for 0 and has a deadline."""
    answer = WorkflowColumns(
        ANSWER,
        np.array([0]),
        (NodeColumns(ANSWER.nodes[0], np.array([2_500_000]), {}, {"output": np.array([125])}),),
        np.array([2_500_000]),
        np.array([2_500_000]),
    )
    draw = WorkflowColumns(
        DRAW,
        np.array([1]),
        (
            NodeColumns(
                DRAW.nodes[0],
                np.array([10_240_000]),
                {},
                {"output": np.array([512]), "input": np.array([1000])},
            ),
            NodeColumns(
                DRAW.nodes[1],
                np.array([7]),
                {"size": np.array([1]), "steps": np.array([0])},
            ),
        ),
        np.array([10_240_007]),
        np.array([10_240_007]),
    )
    return RequestBlock(
        0,
        np.array([START, START + 1_000_001]),
        (draw, answer),
        tenant=np.array([0, 1]),
        priority=np.array([5, -1]),
        deadline_us=np.array([-1, START + 60_000_000]),
        closed_loop=ClosedLoopColumns(np.array([-1, 0]), np.array([0, 500_000])),
    )


JSONL = r"""
{"request_id":"req_0000","timestamp":"2026-01-01T08:00:00.000000","workflow_id":"answer",
"input_data":{"user_prompt":"Say \"0\" to blue"},"node_configs":{},
"node_execution_times":{"ask":2.500000},
"metadata":{"base_models_used":["chat"],"total_estimated_time":2.500000,
"critical_path_time":2.500000,"tenant":"blue","priority":5,"node_tokens":{"ask":{"output":125}}}}

{"request_id":"req_0001","timestamp":"2026-01-01T08:00:01.000001","workflow_id":"draw",
"input_data":{"user_prompt":"Say \"1\" to red, team"},
"node_configs":{"make":{"size":"1:1","steps":20}},
"node_execution_times":{"ask":10.240000,"make":0.000007},
"metadata":{"base_models_used":["chat","paint"],"total_estimated_time":10.240007,
"critical_path_time":10.240007,"tenant":"red, team","priority":-1,
"deadline":"2026-01-01T08:01:00.000000","node_tokens":{"ask":{"input":1000,"output":512}},
"after_request":"req_0000","think_time":0.500000}}
"""

YAML = """\
metadata:
  generation_time: '2026-01-01T08:00:00'
  config_file: small.json
  num_requests: 2
  duration_minutes: 1
  models_available:
  - chat-7b
  - paint
  workflows_available:
  - draw
  - answer
requests:
- request_id: req_0000
  timestamp: '2026-01-01T08:00:00.000000'
  workflow_id: answer
  input_data:
    user_prompt: Say "0" to blue
  node_configs: {}
  node_execution_times:
    ask: 2.500000
  metadata:
    base_models_used:
    - chat
    total_estimated_time: 2.500000
    critical_path_time: 2.500000
    tenant: blue
    priority: 5
    node_tokens:
      ask:
        output: 125
- request_id: req_0001
  timestamp: '2026-01-01T08:00:01.000001'
  workflow_id: draw
  input_data:
    user_prompt: Say "1" to red, team
  node_configs:
    make:
      size: '1:1'
      steps: 20
  node_execution_times:
    ask: 10.240000
    make: 0.000007
  metadata:
    base_models_used:
    - chat
    - paint
    total_estimated_time: 10.240007
    critical_path_time: 10.240007
    tenant: red, team
    priority: -1
    deadline: '2026-01-01T08:01:00.000000'
    node_tokens:
      ask:
        input: 1000
        output: 512
    after_request: req_0000
    think_time: 0.500000
"""

JSON_BEGIN = """\
{
  "metadata": {
    "generation_time": "2026-01-01T08:00:00",
    "config_file": "small.json",
    "num_requests": 2,
    "duration_minutes": 1,
    "models_available": [
      "chat-7b",
      "paint"
    ],
    "workflows_available": [
      "draw",
      "answer"
    ]
  },
  "requests": [
    {
      "request_id": "req_0000",
      "timestamp": "2026-01-01T08:00:00.000000",
      "workflow_id": "answer",
      "input_data": {
        "user_prompt": "Say \\"0\\" to blue"
      },
      "node_configs": {},
      "node_execution_times": {
        "ask": 2.500000
      },
"""

JSON_END = """\
        "after_request": "req_0000",
        "think_time": 0.500000
      }
    }
  ]
}"""

CSV = """\
request_id,timestamp,workflow_id,user_prompt,tenant,priority,deadline,total_estimated_time,\
critical_path_time,node_execution_times,node_configs,input_data,metadata
req_0000,2026-01-01T08:00:00.000000,answer,"Say ""0"" to blue",blue,5,,2.500000,2.500000,\
"{""ask"":2.500000}",{},,"{""base_models_used"":[""chat""],\
""node_tokens"":{""ask"":{""output"":125}}}"
req_0001,2026-01-01T08:00:01.000001,draw,"Say ""1"" to red, team","red, team",-1,\
2026-01-01T08:01:00.000000,10.240007,10.240007,"{""ask"":10.240000,""make"":0.000007}",\
"{""make"":{""size"":""1:1"",""steps"":20}}",,"{""base_models_used"":[""chat"",""paint""],\
""node_tokens"":{""ask"":{""input"":1000,""output"":512}},\
""after_request"":""req_0000"",""think_time"":0.500000}"
"""


@pytest.fixture
def write(tmp_path, config, header, block):
    def write(name: str) -> Path:
        path = tmp_path / name
        with open_writer(path, config, header) as writer:
            writer.write(block)
        return path

    return write


def test_jsonl_text(write):
    lines = [line.replace("\n", "") for line in JSONL.strip().split("\n\n")]
    assert write("r.jsonl").read_text() == "".join(line + "\n" for line in lines)


def test_yaml_text(write):
    assert write("r.yaml").read_text() == YAML


def test_csv_text(write):
    assert write("r.csv").read_text() == CSV


def test_json_text(write):
    text = write("r.json").read_text()
    assert text.startswith(JSON_BEGIN)
    assert text.endswith(JSON_END)
    assert text.count("\n") == json.dumps(json.loads(text), indent=2).count("\n")


def test_json_text_is_that_of_the_library(write):
    text = write("r.json").read_text()
    longer = {"2.5": "2.500000", "10.24": "10.240000", "7e-06": "0.000007", "0.5": "0.500000"}
    expected = json.dumps(json.loads(text), indent=2)
    for short, fixed in longer.items():
        expected = expected.replace(f": {short},", f": {fixed},").replace(
            f": {short}\n", f": {fixed}\n"
        )
    assert text == expected


def test_libraries_read_the_same_requests(write, config, header, block):
    data = [request.to_dict() for request in block_requests(block, config, 2)]
    assert json.loads(write("r.json").read_text())["requests"] == data
    assert yaml.safe_load(write("r.yaml").read_text())["requests"] == data
    assert yaml.safe_load(write("r.yaml").read_text())["metadata"] == header.to_dict()
    assert [json.loads(line) for line in write("r.jsonl").read_text().splitlines()] == data


def test_polars_reads_parquet_with_types(write):
    frame = pl.read_parquet(write("r.parquet"))
    assert frame["timestamp"].to_list() == [
        datetime(2026, 1, 1, 8),
        datetime(2026, 1, 1, 8, 0, 1, 1),
    ]
    assert frame["deadline"].to_list() == [None, datetime(2026, 1, 1, 8, 1)]
    assert frame["tenant"].to_list() == ["blue", "red, team"]
    assert frame["priority"].to_list() == [5, -1]
    assert frame["total_estimated_time"].to_list() == [2.5, 10.240007]
    assert frame["input_data"].to_list() == [None, None]
    assert json.loads(frame["node_execution_times"][1]) == {"ask": 10.24, "make": 7e-06}


@pytest.mark.parametrize(
    "name",
    ["r.json", "r.yaml", "r.jsonl", "r.csv", "r.parquet", "r.json.gz", "r.yml.gz", "r.csv.gz"],
)
def test_every_format_reads_back(name, write, config, header, block):
    file = read_requests(write(name))
    expected = list(block_requests(block, config, 2))
    assert list(file.requests) == expected
    assert list(file.requests) == expected  # again, from the beginning
    in_file = file.format in (FileFormat.JSON, FileFormat.YAML)
    assert file.header == (header if in_file else None)


@pytest.mark.parametrize("name", ["r.json", "r.yaml", "r.jsonl", "r.csv", "r.parquet", "r.json.gz"])
def test_rows_give_the_same_bytes(name, write, tmp_path, config, header, block):
    by_blocks = write(name).read_bytes()
    again = tmp_path / "again" / name
    assert write_requests(again, header, block_requests(block, config, 2)) == 2
    assert again.read_bytes() == by_blocks


@pytest.mark.parametrize("name", ["r.json", "r.yaml", "r.jsonl", "r.csv", "r.parquet"])
def test_no_requests(name, tmp_path, config):
    path = tmp_path / name
    empty = Header("2026-01-01T08:00:00", "c.json", 0, 2.5, (), ())
    with open_writer(path, config, empty):
        pass
    if path.suffix == ".jsonl":
        with pytest.raises(InputError, match="empty"):
            read_requests(path)
        return
    assert list(read_requests(path).requests) == []
    if path.suffix == ".json":
        assert json.loads(path.read_text()) == {"metadata": empty.to_dict(), "requests": []}
    if path.suffix == ".yaml":
        assert yaml.safe_load(path.read_text()) == {"metadata": empty.to_dict(), "requests": []}


def test_compressed_files_are_the_same_each_time(write):
    first = write("r.jsonl.gz").read_bytes()
    assert write("r.jsonl.gz").read_bytes() == first
    assert gzip.decompress(first) == write("r.jsonl").read_bytes()


def test_rendered_blocks_can_be_appended(tmp_path, config, header, block, write):
    path = tmp_path / "again.json"
    with open_writer(path, config, header) as writer:
        writer.append(render_block(block, config, header, FileFormat.JSON), 2)
    assert path.read_bytes() == write("r.json").read_bytes()


def test_wrong_number_of_requests_leaves_nothing(tmp_path, config, block):
    path = tmp_path / "r.json"
    more = Header("", "", 3, 1, (), ())
    said = pytest.raises(ValueError, match="2 requests were written, the header says 3")
    with said, open_writer(path, config, more) as writer:
        writer.write(block)
    with pytest.raises(ValueError, match="request 1 of 1"):
        render_block(block, config, Header("", "", 1, 1, (), ()), FileFormat.JSON)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["r.yaml", "r.parquet", "r.csv.gz"])
def test_an_error_leaves_the_old_file(name, tmp_path, config, header, block):
    path = tmp_path / name
    path.write_text("old")
    with suppress(KeyError), open_writer(path, config, header) as writer:
        writer.write(block)
        header.to_dict()["no such key"]
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert path.read_text() == "old"


@pytest.mark.parametrize("format", list(FileFormat))
def test_full_disk(format, config, header, block):  # noqa: A002
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with pytest.raises(OutputError, match="cannot write"):
        write_requests(Path("/dev/full/r"), header, [], format=format)


def test_formats_by_name():
    assert format_of(Path("a.YML")) is FileFormat.YAML
    assert format_of(Path("a.ndjson.gz")) is FileFormat.JSONL
    with pytest.raises(InputError, match=r"a\.txt: \.txt is no format"):
        format_of(Path("a.txt"))
    with pytest.raises(InputError, match=r"leave \.gz away"):
        format_of(Path("a.parquet.gz"))


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_times_that_are_none_are_not_written(seconds, tmp_path, config, block):
    first = next(iter(block_requests(block, config, 2)))
    first.node_execution_times["ask"] = seconds
    with pytest.raises(InputError, match=r"request req_0000: node_execution_times\.ask is"):
        write_requests(tmp_path / "r.jsonl", None, [first])


def test_table_refuses_names_of_controls(tmp_path, config, block):
    odd = [replace(r, workflow_id="a\x01") for r in block_requests(block, config, 2)]
    with pytest.raises(InputError, match=r"workflow_id 'a.x01' cannot stand in a table"):
        write_requests(tmp_path / "r.csv", None, odd)
    write_requests(tmp_path / "r.json", None, odd)
    assert list(read_requests(tmp_path / "r.json").requests) == odd


@pytest.mark.parametrize("template", ["{nobody}", "{i:05d}", "{i!r}", "{", "{0}", "{i.real}"])
def test_templates_that_say_nothing(template, config, block, header):
    odd = replace(config, prompts=PromptSource(template))
    with pytest.raises(InputError, match="prompt template"):
        render_block(block, odd, header, FileFormat.JSONL)


def test_blocks_need_a_configuration(tmp_path, header, block):
    from fedloom.workload.formats.frame import frame_of
    from fedloom.workload.formats.write import BlockWriter

    with (tmp_path / "r").open("wb") as file:
        writer = BlockWriter(file, frame_of(FileFormat.JSONL, None), FileFormat.JSONL)
        with pytest.raises(ValueError, match="blocks need a configuration"):
            writer.write(block)
