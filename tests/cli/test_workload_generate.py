"""`fedloom workload generate`: the seed's command lines, and all that can be asked wrongly."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from fedloom.cli import main
from fedloom.workload.formats.read import read_requests

SEED_CONFIG = """{
  "models": {
    "llm7b": {
      "name": "LLM-7B", "type": "llm", "memory_gb": 14, "gpus_required": 1,
      "tokens_per_second": 50, "token_mean": 512, "token_std": 128
    },
    "painter": {
      "name": "Painter", "type": "image_generation", "memory_gb": 8, "gpus_required": 1,
      "inference_time_mean": 2.0, "inference_time_std": 0.5
    }
  },
  "workflows": {
    "workflow1": {
      "name": "LLM to picture",
      "nodes": [
        {"id": "node1", "model": "llm7b", "inputs": ["user_prompt"], "outputs": ["prompt"]},
        {"id": "node2", "model": "painter", "inputs": ["prompt"], "outputs": ["picture"],
         "config_options": ["width", "height"]}
      ],
      "edges": [{"from": "node1", "to": "node2"}]
    }
  }
}
"""
METADATA = [
    "generation_time",
    "config_file",
    "num_requests",
    "duration_minutes",
    "models_available",
    "workflows_available",
]
REQUEST = [
    "request_id",
    "timestamp",
    "workflow_id",
    "input_data",
    "node_configs",
    "node_execution_times",
    "metadata",
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a configuration of the seed's shape in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_config.json").write_text(SEED_CONFIG)
    return tmp_path


def generate(*flags: str, config: str = "minimal.json") -> int:
    return main(["workload", "generate", "--config", config, *flags])


def files() -> list[str]:
    return sorted(path.name for path in Path().rglob("*") if path.name != "my_config.json")


# As the seed has it


def test_the_basic_line_writes_json_yaml_and_statistics(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main("workload generate --config test_baseline.json".split()) == 0
    assert files() == ["generated_requests.json", "generated_requests.yaml", "generated_stats.json"]
    document = json.loads(Path("generated_requests.json").read_text())
    assert document == yaml.safe_load(Path("generated_requests.yaml").read_text())
    assert list(document) == ["metadata", "requests"]
    assert list(document["metadata"]) == METADATA
    assert document["metadata"]["config_file"] == "test_baseline.json"
    assert document["metadata"]["num_requests"] == len(document["requests"]) == 500
    assert document["metadata"]["duration_minutes"] == 20
    first = document["requests"][0]
    assert list(first) == REQUEST
    assert first["request_id"] == "req_0000"
    assert re.fullmatch(r"2024-01-01T10:\d\d:\d\d\.\d{6}", first["timestamp"])
    assert first["input_data"] == {"user_prompt": "Sample prompt for request 0"}
    assert list(first["metadata"])[:2] == ["base_models_used", "total_estimated_time"]
    total = sum(first["node_execution_times"].values())
    assert first["metadata"]["total_estimated_time"] == pytest.approx(total, abs=1e-6)
    stats = json.loads(Path("generated_stats.json").read_text())
    assert list(stats)[:4] == [
        "total_requests",
        "workflow_distribution",
        "gpu_hours_by_model",
        "base_model_usage",
    ]
    assert stats["metadata"] == document["metadata"]
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[:3] == [
        "Workflow Request Generation Complete!",
        "Total requests generated: 500",
        "Workflow distribution:",
    ]
    hours = stats["gpu_hours_by_model"]
    at = lines.index("Estimated GPU hours by model:") + 1
    assert lines[at : at + 6] == [f"  {model}: {h:.2f} GPU-hours" for model, h in hours.items()]
    assert lines[at + 6] == "Base model usage:"
    assert lines[-1] == "  generated_stats.json: 1.6 kB"


def test_the_advanced_line(capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--num-requests 1000 --duration 60 --output-prefix my_test --format yaml --seed 42"
    assert generate(*flags.split(), config="my_config.json") == 0
    assert files() == ["my_test_requests.yaml", "my_test_stats.json"]
    document = yaml.load(Path("my_test_requests.yaml").read_text(), yaml.CSafeLoader)
    assert len(document["requests"]) == 1000
    assert [r["request_id"] for r in document["requests"]][-1] == "req_0999"
    stamps = [request["timestamp"] for request in document["requests"]]
    assert stamps == sorted(stamps)
    assert stamps[-1] < "2024-01-01T11:00:00"
    assert all(request["node_configs"] == {} for request in document["requests"])
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 2  # options without choices
    assert all(line.startswith("fedloom: warning: my_config.json, line ") for line in warnings)


def test_several_configurations_are_merged(capsys: pytest.CaptureFixture[str]) -> None:
    Path("more.yaml").write_text("workflows:\n  talk:\n    nodes: [{id: a, model: llm7b}]\n")
    flags = ["--config", "more.yaml", "--format", "json", "--num-requests", "60"]
    assert generate(*flags, config="my_config.json") == 0
    header = json.loads(Path("generated_requests.json").read_text())["metadata"]
    assert header["config_file"] == "my_config.json + more.yaml"
    assert header["workflows_available"] == ["workflow1", "talk"]


def test_the_same_line_gives_the_same_bytes_and_another_seed_gives_others() -> None:
    for prefix, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert generate("-o", prefix, "--seed", seed, "--format", "json", "-q") == 0
    one, again, other = (Path(f"{name}_requests.json").read_bytes() for name in "abc")
    assert one == again != other


# What is printed


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--format", "jsonl,parquet", "--json", "--output-prefix", "out/x/gen"]
    assert generate(*flags, config="my_config.json") == 0
    captured = capsys.readouterr()
    found: dict[str, Any] = json.loads(captured.out)
    assert found["files"] == [
        "out/x/gen_requests.jsonl",
        "out/x/gen_requests.parquet",
        "out/x/gen_stats.json",
    ]
    assert all(Path(name).is_file() for name in found["files"])
    assert found["stats"]["total_requests"] == 500
    warnings = captured.err.splitlines()
    assert all(line.startswith("fedloom: warning: ") for line in warnings)


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("--quiet", config="my_config.json") == 0
    assert capsys.readouterr() == ("", "")


# Formats and prompts


@pytest.mark.parametrize("name", ["json", "yaml", "jsonl", "csv", "parquet"])
def test_every_format_is_read_back(name: str) -> None:
    assert generate("--format", name, "--num-requests", "7", "-q", config="tenants.yaml") == 0
    requests = list(read_requests(Path(f"generated_requests.{name}")).requests)
    assert [request.request_id for request in requests] == [f"req_{i:04d}" for i in range(7)]


def test_prompts_of_a_file() -> None:
    Path("prompts.txt").write_text("\ufeffPaint a mill\r\n\n  \nSing\n", encoding="utf-8")
    assert generate("--prompts", "prompts.txt", "--format", "jsonl", "-q") == 0
    requests = read_requests(Path("generated_requests.jsonl")).requests
    assert {r.input_data["user_prompt"] for r in requests} == {"Paint a mill", "Sing"}


# Arrivals


def seconds_of(*flags: str, config: str = "minimal.json") -> list[float]:
    assert generate("--format", "jsonl", "-q", *flags, config=config) == 0
    requests = list(read_requests(Path("generated_requests.jsonl")).requests)
    return [(r.time_us - 1_704_103_200_000_000) / 1e6 for r in requests]


def test_a_rate_makes_the_number_random() -> None:
    found = seconds_of("--rate", "2", "--duration", "10")
    assert 1050 < len(found) < 1350
    assert len(found) != 500
    assert max(found) < 600
    assert len(seconds_of("--rate", "2", "--duration", "10", "--num-requests", "9")) == 9


def test_gaps_of_a_law() -> None:
    gaps = seconds_of("--gaps", "fixed", "--rate", "0.5", "--duration", "1")
    assert {round(b - a, 6) for a, b in pairwise(gaps)} == {2.0}
    bursty = seconds_of("--gaps", "Gamma", "--cv", "3", "--rate", "2", "--duration", "60")
    assert len(bursty) > 5000


def test_flags_take_the_place_of_what_the_configuration_says() -> None:
    Path("loop.yaml").write_text("arrivals: {closed_loop: {users: 3}}\n")
    loop = ["--config", "loop.yaml"]
    assert len(seconds_of(*loop)) < 500
    assert len(seconds_of(*loop, "--gaps", "poisson")) == 500
    Path("gamma.yaml").write_text("arrivals: {gaps: gamma, cv: 2, rate_per_second: 1}\n")
    gamma = ["--config", "gamma.yaml", "--duration", "2"]
    fixed = seconds_of(*gamma, "--gaps", "fixed")
    assert {round(b - a, 6) for a, b in pairwise(fixed)} == {1.0}
    assert seconds_of(*gamma, "--cv", "0.5") != seconds_of(*gamma)


def test_a_replay_is_whole_unless_a_duration_is_given() -> None:
    Path("times.txt").write_text("10\n70.5\n1510\n")
    assert seconds_of("--replay", "times.txt") == [0.0, 60.5, 1500.0]
    header = json.loads(Path("generated_stats.json").read_text())["metadata"]
    assert header["duration_minutes"] == 25
    assert seconds_of("--replay", "times.txt", "--duration", "20") == [0.0, 60.5]
    header = json.loads(Path("generated_stats.json").read_text())["metadata"]
    assert header["duration_minutes"] == 20


def test_the_start_moves_everything() -> None:
    moved = seconds_of("--start", "2024-01-02T10:00:00")
    assert moved == [second + 86_400 for second in seconds_of()]
    assert seconds_of("--start", "2024-01-01T12:00:00+02:00") == seconds_of()


# What cannot be


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--num-requests 0", "--num-requests is 0; give 1 to 1,000,000,000"),
        ("--num-requests -1", "--num-requests is -1; give"),
        ("--num-requests 1000000000000", "--num-requests is 1,000,000,000,000; give"),
        ("--num-requests many", "invalid value for '--num-requests'"),
        ("--duration 0", "--duration is 0 minutes; give a number above 0"),
        ("--duration nan", "--duration is nan minutes"),
        ("--duration -1", "--duration is -1 minutes"),
        ("--format xml", "unknown format 'xml': did you mean 'yaml'? known are both, json, yaml"),
        ("--format json,", "unknown format ''"),
        ("--gaps foo", "unknown law of gaps 'foo': known are poisson, gamma, weibull, fixed"),
        ("--cv 2", "arrivals: cv is 2, but gaps are poisson; use gamma or weibull"),
        ("--gaps gamma --cv 0", "--cv is 0.0; it must be greater than 0"),
        ("--gaps gamma --cv 9999", "cv is 9999; give 0.001 to 1000"),
        ("--rate 0", "--rate is 0.0; it must be greater than 0"),
        ("--rate nan", "--rate is NaN; it must be a finite number"),
        ("--rate 1e9", "lower the rate or the duration"),
        ("--rate 1 --replay times.txt", "--rate and --replay exclude one another"),
        ("--replay nowhere.txt", "cannot read nowhere.txt: No such file or directory"),
        ("--replay .", "cannot read .: Is a directory"),
        ("--replay rubbish", "rubbish: not a text in UTF-8"),
        ("--prompts nowhere", "--prompts nowhere: No such file or directory"),
        ("--prompts rubbish", "--prompts rubbish: no text in UTF-8"),
        ("--prompts empty", "--prompts empty: there is no prompt in it"),
        ("--start soon", "--start is 'soon'; give an ISO time such as 2024-01-01T10:00:00"),
        ("--start 1812-01-01", "give a time in 1970 or later"),
        ("--config nowhere.json", "nowhere.json: does not exist"),
        ("--config rubbish", "rubbish: "),
        ("--output-prefix out/", "--output-prefix 'out/' is no beginning of a file's name"),
        ("--output-prefix ..", "--output-prefix '..' is no beginning"),
        ("--output-prefix rubbish/x", "rubbish is no folder; choose another place"),
        ("--what", "no such option '--what'"),
    ],
)
def test_one_line_says_what_is_wrong_and_nothing_is_written(
    flags: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("rubbish").write_bytes(bytes(range(256)) * 8)
    Path("empty").write_bytes(b"")
    before = files()
    assert generate(*flags.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    *warnings, line = captured.err.splitlines()
    assert warnings == []
    assert line.startswith("fedloom: error: ")
    assert words.casefold() in line.casefold()
    assert files() == before


def test_flags_that_would_change_nothing_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate("--rate", "3", config="tenants.yaml") == 2
    assert "--rate: every tenant of tenants.yaml has arrivals" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "name"),
    [
        (["--config", "x_stats.json"], "x_stats.json"),
        (["--replay", "x_requests.json"], "x_requests.json"),
        (["--replay", "../{}/x_requests.json"], "x_requests.json"),
        (["--prompts", "x_requests.yaml"], "x_requests.yaml"),
        (["--config", "replays.yaml"], "x_requests.json"),
    ],
)
def test_what_is_read_is_never_replaced(
    flags: list[str], name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(name).write_text("5\n")
    Path("replays.yaml").write_text("arrivals: {replay: x_requests.json}\n")
    if name == "x_stats.json":
        Path(name).write_text(SEED_CONFIG)
    before = Path(name).read_bytes()
    flags = [flag.format(folder.name) for flag in flags]
    assert generate(*flags, "--output-prefix", "x") == 2
    assert f"{name} would replace what is read" in capsys.readouterr().err
    assert Path(name).read_bytes() == before


def test_an_older_file_is_replaced() -> None:
    Path("generated_requests.json").write_text("old")
    assert generate("--format", "json", "-q") == 0
    assert json.loads(Path("generated_requests.json").read_text())["metadata"]
