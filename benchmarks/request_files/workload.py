"""The workload that is measured: workflows of two nodes, a language and an image model."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fedloom.workload.config.read import read_config
from fedloom.workload.config.workload_config import WorkloadConfig
from fedloom.workload.generate import Workload

__all__ = ["CONFIG", "make_workload", "read_own_config"]

_TEXT = {"id": "write", "model": "chat"}
_IMAGE = {"id": "paint", "model": "picture", "config_options": ["width", "steps"]}

CONFIG: dict[str, Any] = {
    "models": {
        "chat": {
            "name": "Chat",
            "type": "llm",
            "memory_gb": 16,
            "gpus_required": 1,
            "load_time_seconds": 8,
            "tokens_per_second": 60,
            "token_mean": 400,
            "token_std": 100,
        },
        "picture": {
            "name": "Picture",
            "type": "image_generation",
            "memory_gb": 12,
            "gpus_required": 1,
            "load_time_seconds": 6,
            "inference_time_mean": 3.5,
            "inference_time_std": 0.5,
            "config": {"width": [512, 768, 1024], "steps": [20, 30, 50]},
        },
    },
    "workflows": {
        "illustrate": {
            "name": "Illustrate",
            "nodes": [_TEXT, _IMAGE],
            "edges": [{"from": "write", "to": "paint"}],
        },
        "describe": {
            "name": "Describe",
            "nodes": [_IMAGE, _TEXT],
            "edges": [{"from": "paint", "to": "write"}],
        },
    },
}
"""As a user writes it."""


def read_own_config() -> WorkloadConfig:
    """Return `CONFIG` as Fedloom reads it."""
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        path = Path(name, "two_nodes.json")
        path.write_text(json.dumps(CONFIG))
        return read_config([path]).config


def make_workload(config: WorkloadConfig, requests: int, minutes: float = 20.0) -> Workload:
    """Return so many requests of the configuration, within so many minutes."""
    return Workload(config, num_requests=requests, duration_minutes=minutes)
