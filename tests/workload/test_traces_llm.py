"""Traces of language models: columns, times, tokens, and what is wrong with a file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from fedloom.errors import InputError
from fedloom.workload.generate import DEFAULT_START
from fedloom.workload.request import Request
from fedloom.workload.traces.imported import RELATIVE_START_US, Imported, ImportOptions
from fedloom.workload.traces.registry import detect_kind, import_trace
from fedloom.workload.units import format_time, parse_time

AZURE = """TIMESTAMP,ContextTokens,GeneratedTokens
2023-11-16 18:00:00.5000000,1000,100
2023-11-16 18:00:02.7500009,500,25
"""
BURST = """Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,400,20,420,Conversation log
45,ChatGPT,900,0,900,Conversation log
118,GPT-4,300,50,350,API log
"""
MOONCAKE = [
    {"timestamp": 1500, "input_length": 6000, "output_length": 50, "hash_ids": [0, 1, 2]},
    {"timestamp": 4500, "input_length": 700, "output_length": 5, "hash_ids": [0, 9]},
]
QWEN = [
    {"chat_id": 7, "parent_chat_id": -1, "timestamp": 0.25, "input_length": 80,
     "output_length": 30, "type": "text", "turn": 1, "hash_ids": [3]},
    {"chat_id": 9, "parent_chat_id": 7, "timestamp": 61.5, "input_length": 200,
     "output_length": 10, "type": "search", "turn": 2, "hash_ids": [3, 4]},
]  # fmt: skip


def put(folder: Path, name: str, content: str | list[dict[str, object]]) -> Path:
    path = folder / name
    lines = content if isinstance(content, str) else "".join(json.dumps(c) + "\n" for c in content)
    path.write_text(lines)
    return path


def load(kind: str, *paths: Path, **options: object) -> tuple[Imported, list[Request]]:
    imported = import_trace(kind, list(paths), ImportOptions(**options))  # type: ignore[arg-type]
    return imported, list(imported.requests)


def valid(config: dict[str, object], folder: Path) -> None:
    from fedloom.workload.config.read import read_config
    from fedloom.workload.config.write import write_config

    write_config(config, folder / "written.json")
    assert read_config([folder / "written.json"]).warnings == ()


def test_azure_by_hand(tmp_path: Path) -> None:
    imported, requests = load("azure-llm", put(tmp_path, "conv.csv", AZURE))
    assert [request.to_dict() for request in requests] == [
        {
            "request_id": "req_0000",
            "timestamp": "2023-11-16T18:00:00.500000",
            "workflow_id": "conv",
            "input_data": {},
            "node_configs": {},
            "node_execution_times": {"generate": 2.2},  # 100 / 50 + 1000 / 5000
            "metadata": {
                "base_models_used": ["llm"],
                "total_estimated_time": 2.2,
                "critical_path_time": 2.2,
                "node_tokens": {"generate": {"input": 1000, "output": 100}},
            },
        },
        {
            "request_id": "req_0001",
            "timestamp": "2023-11-16T18:00:02.750000",
            "workflow_id": "conv",
            "input_data": {},
            "node_configs": {},
            "node_execution_times": {"generate": 0.6},
            "metadata": {
                "base_models_used": ["llm"],
                "total_estimated_time": 0.6,
                "critical_path_time": 0.6,
                "node_tokens": {"generate": {"input": 500, "output": 25}},
            },
        },
    ]
    assert imported.warnings == []
    assert imported.config["models"]["llm"] == {
        "name": "llm",
        "type": "llm",
        "memory_gb": 16.0,
        "gpus_required": 1,
        "load_time_seconds": 3.0,
        "tokens_per_second": 50.0,
        "prefill_tokens_per_second": 5000.0,
        "input_tokens": {
            "law": "lognormal", "mean": 750.0, "std": 250.0, "min": 500, "max": 1000,
        },
        "output_tokens": {
            "law": "lognormal", "mean": 62.5, "std": 37.5, "min": 25, "max": 100,
        },
        "token_correlation": 1.0,
    }  # fmt: skip
    valid(imported.config, tmp_path)


def test_azure_of_2024_has_a_zone_and_of_2025_images(tmp_path: Path) -> None:
    text = (
        "TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\r\n"
        "2024-05-10 00:00:00.009930+00:00,2,10,1\r\n"
        "2024-05-10 02:00:01+02:00,0,10,1\r\n"
    )
    _, requests = load("auto", put(tmp_path, "lmm.csv", text))
    assert requests[0].timestamp == "2024-05-10T00:00:00.009930"
    assert requests[1].timestamp == "2024-05-10T00:00:01.000000"
    assert [request.metadata["num_images"] for request in requests] == [2, 0]


def test_options_change_times_and_rates(tmp_path: Path) -> None:
    path = put(tmp_path, "conv.csv", AZURE)
    imported, requests = load(
        "azure-llm", path, tokens_per_second=10.0, prefill_tokens_per_second=None,
        time_scale=2.0, start_us=parse_time("2030-01-01T00:00:00"), memory_gb=80.0,
        gpus_required=4,
    )  # fmt: skip
    assert requests[0].node_execution_times == {"generate": 10.0}
    assert [request.timestamp for request in requests] == [
        "2030-01-01T00:00:00.000000",
        "2030-01-01T00:00:04.500000",  # 2 × 2.25 s
    ]
    model = imported.config["models"]["llm"]
    assert (model["memory_gb"], model["gpus_required"]) == (80.0, 4)
    assert model["load_time_seconds"] == 7.0
    assert "prefill_tokens_per_second" not in model


def test_several_files_are_merged_by_time(tmp_path: Path) -> None:
    code = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:01,7,7\n"
    imported, requests = load(
        "azure-llm", put(tmp_path, "conv.csv", AZURE), put(tmp_path, "code.csv.gz", code)
    )
    assert [request.workflow_id for request in requests] == ["conv", "code", "conv"]
    assert {name: one["weight"] for name, one in imported.config["workflows"].items()} == {
        "conv": 2,
        "code": 1,
    }
    assert list(imported.config["models"]) == ["llm"]


def test_burstgpt_by_hand(tmp_path: Path) -> None:
    imported, requests = load("burstgpt", put(tmp_path, "b.csv", BURST))
    assert [request.workflow_id for request in requests] == ["ChatGPT conversation", "GPT-4 api"]
    assert [request.time_us - RELATIVE_START_US for request in requests] == [0, 113_000_000]
    assert requests[0].node_execution_times == {"generate": 0.48}
    assert requests[1].metadata["log_type"] == "API log"
    assert list(imported.config["models"]) == ["ChatGPT", "GPT-4"]
    (warning,) = imported.warnings
    assert warning.startswith("1 row left out: response of 0 tokens")
    valid(imported.config, tmp_path)


def test_burstgpt_keeps_failures_when_asked(tmp_path: Path) -> None:
    imported, requests = load("burstgpt", put(tmp_path, "b.csv", BURST), keep_failures=True)
    assert len(requests) == 3
    assert requests[1].node_execution_times == {"generate": 0.18}
    assert imported.warnings == []
    valid(imported.config, tmp_path)


def test_burstgpt_with_sessions(tmp_path: Path) -> None:
    text = (
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,"
        "Log Type\n1.5,s1,2.5,GPT-4,5,5,10,API log\n"
    )
    _, (request,) = load("auto", put(tmp_path, "b.csv", text))
    assert request.metadata["session_id"] == "s1"
    assert request.metadata["elapsed_time"] == 2.5


def test_mooncake_by_hand(tmp_path: Path) -> None:
    imported, requests = load("mooncake", put(tmp_path, "m.jsonl", MOONCAKE))
    assert [request.time_us - RELATIVE_START_US for request in requests] == [0, 3_000_000]
    assert requests[0].node_execution_times == {"generate": 2.2}
    assert requests[1].metadata["hash_ids"] == [0, 9]
    valid(imported.config, tmp_path)


def test_qwen_keeps_the_chat(tmp_path: Path) -> None:
    imported, requests = load("qwen-bailian", put(tmp_path, "q.jsonl", QWEN))
    assert [request.workflow_id for request in requests] == ["text", "search"]
    assert requests[1].time_us - requests[0].time_us == 61_250_000
    kept = {name: requests[1].metadata[name] for name in ("chat_id", "parent_chat_id", "turn")}
    assert kept == {"chat_id": 9, "parent_chat_id": 7, "turn": 2}
    valid(imported.config, tmp_path)


def test_azure_copilot(tmp_path: Path) -> None:
    def session(name: str, minute: int) -> dict[str, object]:
        call = {
            "timestamp": f"2026-01-05T10:{minute:02d}:00Z",
            "duration_ms": 2500,
            "message_id": f"msg-{name}",
            "result": "Success",
            "model": "m1",
            "tokens": {"prompt": 300, "completion": 50, "cached": 100},
        }
        tools = {
            "timestamp": f"2026-01-05T10:{minute:02d}:03Z",
            "duration_ms": 400,
            "request_id": f"msg-{name}",
            "function_calls": [{}, {}],
        }
        turn = {"llm_calls": [call, {"timestamp": None}], "tool_batches": [tools]}
        return {"session_id": name, "date": "2026-01-05", "turns": [turn]}

    path = tmp_path / "copilot.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write("".join(json.dumps(session(*each)) + "\n" for each in (("b", 7), ("a", 3))))
    imported, requests = load("auto", path)
    assert [(r.workflow_id, r.metadata["session_id"]) for r in requests] == [
        ("m1", "a"),
        ("tools", "a"),
        ("m1", "b"),
        ("tools", "b"),
    ]
    assert requests[0].node_execution_times == {"generate": 2.5}
    assert requests[0].metadata["cached_tokens"] == 100
    assert requests[1].metadata["tool_calls"] == 2
    assert [requests[n].metadata["message_id"] for n in (0, 1)] == ["msg-a", "msg-a"]
    assert requests[0].metadata["result"] == "Success"
    assert imported.warnings[0].startswith("2 rows left out: a call or batch without timestamp")
    assert imported.config["models"]["m1"]["tokens_per_second"] == 20.0
    assert any("not in time order" in warning for warning in imported.warnings)
    valid(imported.config, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", AZURE, "azure-llm"),
        ("b.csv", BURST, "burstgpt"),
        ("c.jsonl", MOONCAKE, "mooncake"),
        ("d.jsonl", QWEN, "qwen-bailian"),
        ("e.csv", "arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n", "vidur"),
        ("f.csv", "request_id,timestamp,input_tokens,output_tokens\n0,0,1,1\n", "servegen"),
    ],
)
def test_kinds_are_found_out(
    name: str, content: str | list[dict[str, object]], kind: str, tmp_path: Path
) -> None:
    assert detect_kind(put(tmp_path, name, content)) == kind


@pytest.mark.parametrize(
    ("kind", "content", "parts"),
    [
        ("azure-llm", "", ["empty", "TIMESTAMP"]),
        (
            "azure-llm",
            "TIMESTAMP,Context\n",
            ["ContextTokens, GeneratedTokens", "found", "Context"],
        ),
        ("azure-llm", AZURE.replace("500,25", "many,25"), ["line 3", "ContextTokens", "'many'"]),
        ("azure-llm", AZURE.replace("500,25", "-5,25"), ["line 3", "ContextTokens", "'-5'"]),
        ("azure-llm", AZURE.replace("500,25", "nan,25"), ["line 3", "ContextTokens", "'nan'"]),
        ("azure-llm", AZURE.replace("500,25", "1.5,25"), ["line 3", "whole number"]),
        ("azure-llm", AZURE.replace("2023-11-16 18:00:02.7500009", "soon"), ["line 3", "'soon'"]),
        ("azure-llm", AZURE.replace(",500,25", ",500"), ["line 3", "2 cells", "3 columns"]),
        ("azure-llm", AZURE.replace("500,25", "1,500,25"), ["line 3", "4 cells", "3 columns"]),
        ("azure-llm", AZURE.splitlines()[0] + "\n", ["no request is left", "no rows"]),
        ("burstgpt", BURST.replace("5,Chat", "inf,Chat", 1), ["line 2", "Timestamp", "'inf'"]),
        ("mooncake", "", ["empty", "timestamp"]),
        ("mooncake", '{"timestamp": 1}\n', ["line 1", "input_length", "timestamp"]),
        ("mooncake", '{"timestamp": 1, "input\n', ["line 1", "no JSON"]),
        ("mooncake", "[1]\n", ["line 1", "an object"]),
        ("mooncake", '{"timestamp": 1, "input_length": true, "output_length": 2}\n', ["True"]),
        ("mooncake", '{"timestamp": null, "input_length": 1, "output_length": 2}\n', ["None"]),
        ("mooncake", '{"timestamp": 1e300, "input_length": 1, "output_length": 2}\n', ["1e+300"]),
        (
            "vidur",
            f"arrived_at,num_prefill_tokens,num_decode_tokens\n0,1{'0' * 5000},1\n",
            ["line 2"],
        ),
        ("servegen", f"timestamp,input_tokens,output_tokens\n{'1' * 200_000},1,1\n", ["no CSV"]),
        ("vidur", "arrived_at,num_prefill_tokens,num_decode_tokens\n1e12,1,1\n", ["seconds"]),
        ("vidur", "arrived_at,num_prefill_tokens\n0,1\n", ["num_decode_tokens"]),
    ],
)
def test_faults_are_named(kind: str, content: str, parts: list[str], tmp_path: Path) -> None:
    path = put(tmp_path, "trace.csv", content)
    with pytest.raises(InputError) as caught:
        load(kind, path)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in ["trace.csv", *parts]), message


def test_arrivals_end_with_the_year_9999(tmp_path: Path) -> None:
    imported = import_trace(
        "azure-llm", [put(tmp_path, "a.csv", AZURE)], ImportOptions(time_scale=1e12)
    )
    with pytest.raises(InputError, match=r"after the year 9999.*time_scale"):
        list(imported.requests)


def test_a_gzip_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(AZURE.encode())
    path = tmp_path / "cut.csv.gz"
    for length in range(2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.csv\.gz"):
            load("azure-llm", path)


def test_servegen_keeps_what_it_says_of_media(tmp_path: Path) -> None:
    text = (
        "request_id,timestamp,input_tokens,output_tokens,reason_ratio,image_count,client_id\n"
        "r7,0.5,10,20,0.25,3,acme\n"
    )
    imported, (request,) = load("servegen", put(tmp_path, "s.csv", text))
    assert request.request_id == "r7"
    assert (request.metadata["reason_ratio"], request.metadata["image_count"]) == (0.25, 3)
    assert imported.config["tenants"] == {"acme": {"weight": 1}}


def test_binary_rubbish_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rubbish.csv"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match="no text in UTF-8"):
        load("azure-llm", path)


def test_the_relative_start_is_that_of_generated_workloads() -> None:
    assert format_time(RELATIVE_START_US) == format_time(parse_time(DEFAULT_START))
