"""The configuration of the platform's parts: one file, over it the environment, over that flags."""

from __future__ import annotations

from fedloom.platform.config.config import PlatformConfig
from fedloom.platform.config.example import example_config
from fedloom.platform.config.read import Loaded, load_config, read_config
from fedloom.platform.config.show import Part, describe_config, show_config

__all__ = [
    "Loaded",
    "Part",
    "PlatformConfig",
    "describe_config",
    "example_config",
    "load_config",
    "read_config",
    "show_config",
]
