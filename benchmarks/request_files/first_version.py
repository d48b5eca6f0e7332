"""A generator as one would write it at first: the standard library, a request at a time.

What Fedloom is compared with, as the program that it replaces cannot be shipped. It draws the same
fields from the same laws and writes them in the same order; the bytes differ, since the draws do.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

__all__ = ["WRITERS", "generate"]

_START = datetime(2024, 1, 1, 10, tzinfo=UTC).replace(tzinfo=None)


def generate(
    config: dict[str, Any], count: int, minutes: float = 20.0, seed: int = 42
) -> Iterator[dict[str, Any]]:
    """Yield so many requests of a configuration."""
    rng = random.Random(seed)
    workflows = list(config["workflows"])
    seconds = 0.0
    for number in range(count):
        seconds += rng.expovariate(count / (minutes * 60))
        workflow_id = rng.choice(workflows)
        yield _make_request(rng, config, number, seconds, workflow_id)


def _make_request(
    rng: random.Random, config: dict[str, Any], number: int, seconds: float, workflow_id: str
) -> dict[str, Any]:
    workflow = config["workflows"][workflow_id]
    configs, times, tokens, models = {}, {}, {}, []
    for node in workflow["nodes"]:
        model = config["models"][node["model"]]
        models.append(node["model"])
        if model["type"] == "llm":
            drawn = max(1, int(rng.gauss(model["token_mean"], model["token_std"])))
            tokens[node["id"]] = {"output": drawn}
            times[node["id"]] = round(drawn / model["tokens_per_second"], 6)
        else:
            mean, deviation = model["inference_time_mean"], model["inference_time_std"]
            times[node["id"]] = round(max(0.1, rng.gauss(mean, deviation)), 6)
        options = node.get("config_options", [])
        if options:
            configs[node["id"]] = {name: rng.choice(model["config"][name]) for name in options}
    return {
        "request_id": f"req_{number:06d}",
        "timestamp": (_START + timedelta(seconds=seconds)).isoformat(),
        "workflow_id": workflow_id,
        "input_data": {"user_prompt": f"Sample prompt for request {number}"},
        "node_configs": configs,
        "node_execution_times": times,
        "metadata": {
            "base_models_used": models,
            "total_estimated_time": round(sum(times.values()), 6),
            "critical_path_time": _longest_path(workflow, times),
            "node_tokens": tokens,
        },
    }


def _longest_path(workflow: dict[str, Any], times: dict[str, float]) -> float:
    ends: dict[str, float] = {}
    for node in workflow["nodes"]:
        before = [edge["from"] for edge in workflow["edges"] if edge["to"] == node["id"]]
        ends[node["id"]] = max((ends[name] for name in before), default=0.0) + times[node["id"]]
    return round(max(ends.values()), 6)


def _write_jsonl(path: Path, config: dict[str, Any], count: int) -> None:
    with path.open("w") as file:
        for request in generate(config, count):
            file.write(json.dumps(request) + "\n")


def _write_json(path: Path, config: dict[str, Any], count: int) -> None:
    with path.open("w") as file:
        json.dump(_whole(config, count), file, indent=2)


def _write_yaml(path: Path, config: dict[str, Any], count: int) -> None:
    with path.open("w") as file:
        yaml.dump(_whole(config, count), file, default_flow_style=False, sort_keys=False)


def _write_csv(path: Path, config: dict[str, Any], count: int) -> None:
    with path.open("w", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for request in generate(config, count):
            row = {k: json.dumps(v) if isinstance(v, dict) else v for k, v in request.items()}
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow(row)


def _whole(config: dict[str, Any], count: int) -> dict[str, Any]:
    metadata = {
        "generation_time": _START.isoformat(),
        "config_file": "two_nodes.json",
        "num_requests": count,
        "duration_minutes": 20,
        "models_available": list(config["models"]),
        "workflows_available": list(config["workflows"]),
    }
    return {"metadata": metadata, "requests": list(generate(config, count))}


WRITERS = {"jsonl": _write_jsonl, "json": _write_json, "yaml": _write_yaml, "csv": _write_csv}
"""Format → what generates so many requests and writes them to a path."""
