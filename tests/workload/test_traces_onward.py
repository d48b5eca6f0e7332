"""What is imported can be written, read back, and generated from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedloom.workload.config.read import read_config
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.config.write import write_config
from fedloom.workload.formats.header import Header
from fedloom.workload.formats.read import read_requests
from fedloom.workload.formats.write import write_requests
from fedloom.workload.generate import Workload
from fedloom.workload.request import Request
from fedloom.workload.traces.imported import Imported
from fedloom.workload.traces.registry import import_trace

BURST = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,400,20,420,Conversation log
45,ChatGPT,900,9,909,Conversation log
118,GPT-4,300,50,350,API log
"""
QWEN = {
    "chat_id": 7, "parent_chat_id": -1, "timestamp": 0.25, "input_length": 80,
    "output_length": 30, "type": "text", "turn": 1, "hash_ids": [3, 5],
}  # fmt: skip
HELIOS = """job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration
j1,u1,vcA,16,64,2,COMPLETED,2020-04-01 00:00:00,2020-04-01 00:01:00,2020-04-01 01:01:00,3600
j2,u2,vc B: #1,0,4,1,FAILED,2020-04-01 00:00:30,2020-04-01 00:00:31,2020-04-01 00:00:33,2
"""
TRACES = {"burst.csv": BURST, "qwen.jsonl": json.dumps(QWEN), "helios.csv": HELIOS}


def load(name: str, folder: Path) -> tuple[Imported, WorkloadConfig]:
    (folder / name).write_text(TRACES[name])
    imported = import_trace("auto", [folder / name])
    write_config(imported.config, folder / "config.json")
    return imported, read_config([folder / "config.json"]).config


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("suffix", ["json", "yaml", "jsonl", "csv", "parquet"])
def test_imported_requests_survive_every_format(name: str, suffix: str, tmp_path: Path) -> None:
    imported, config = load(name, tmp_path)
    requests = list(imported.requests)
    header = Header(
        generation_time=requests[0].timestamp,
        config_file="config.json",
        num_requests=len(requests),
        duration_minutes=1,
        models_available=tuple(config.models),
        workflows_available=tuple(config.workflows),
    )
    path = tmp_path / f"requests.{suffix}"
    write_requests(path, header, iter(requests))
    back: list[Request] = list(read_requests(path).requests)
    assert [request.to_dict() for request in back] == [request.to_dict() for request in requests]


@pytest.mark.parametrize("name", TRACES)
def test_more_can_be_generated_from_the_configuration(name: str, tmp_path: Path) -> None:
    _, config = load(name, tmp_path)
    workload = Workload(config, num_requests=40)
    drawn = {one.workflow.workflow_id for block in workload.blocks() for one in block.workflows}
    assert sum(len(block) for block in workload.blocks()) == 40
    assert drawn <= set(config.workflows)
