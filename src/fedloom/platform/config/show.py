"""Showing what counts: every key of a part, its value without secrets, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from fedloom.platform.config.config import PlatformConfig
from fedloom.platform.config.read import Loaded
from fedloom.platform.config.secrets import hide_secrets

__all__ = ["Part", "describe_config", "part_keys", "show_config"]


class Part(StrEnum):
    """A process that is configured."""

    UP = "up"
    API = "api"
    SERVER = "server"
    CLIENT = "client"


_STORES = (
    *("dir", "database_url", "broker_url", "broker_prefix", "registry_url", "artifacts"),
    *("tls_certificate", "tls_key", "insecure", "startup_wait_s", "log_level"),
)
_API = ("host", "port", "public_url", "admin_token_file")
_SERVER = (
    *("ca", "superlinks", "gateway_host", "gateway_port", "known_nodes_only"),
    *("health_host", "health_port", "slots", "policy"),
    *("lease_s", "wait_s", "round_timeout_s", "keep_days"),
)


def part_keys(part: Part) -> tuple[str, ...]:
    """Return the keys that a part heeds; a client has a configuration of its own, and so none."""
    wanted = {
        Part.UP: {*PlatformConfig.model_fields},
        Part.API: {*_STORES, *_API},
        Part.SERVER: {*_STORES, *_SERVER},
        Part.CLIENT: set[str](),
    }[part]
    return tuple(key for key in PlatformConfig.model_fields if key in wanted)


def describe_config(config: PlatformConfig, part: Part = Part.UP) -> dict[str, Any]:
    """Return what counts for a part as JSON can hold it, without secrets.

    Addresses that were not given are shown as they follow from ``dir``.
    """
    derived = {"database_url": config.database, "registry_url": config.registry}
    values: Mapping[str, Any] = config.model_dump(mode="json") | derived
    return {key: _hide(values[key]) for key in part_keys(part)}


def show_config(loaded: Loaded, part: Part = Part.UP) -> str:
    """Return a line per key: ``key: value  # where it came from``."""
    lines = [
        (f"{key}: {_write(value)}", loaded.origins.get(key, "default"))
        for key, value in describe_config(loaded.config, part).items()
    ]
    width = max((len(text) for text, _ in lines), default=0)
    return "".join(f"{text:<{width}}  # {origin}\n" for text, origin in lines)


def _hide(value: Any) -> Any:
    return hide_secrets(value) if isinstance(value, str) else value


def _write(value: Any) -> str:
    """Return a value as YAML on one line; JSON is."""
    import json

    return json.dumps(value, ensure_ascii=False)
