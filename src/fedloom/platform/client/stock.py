"""An owner's node behind a stock `flower-supernode`: what our bundle names, opened per message.

The node is configured as `fedloom client` is: by the file that FEDLOOM_CLIENT_CONFIG or the node's
``config`` names, by FEDLOOM_CLIENT_…, and by ``--node-config 'name="clinic" state="/srv/node"'``.
Its key is the SuperNode's own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import yaml

from fedloom.errors import ConflictError, InputError
from fedloom.fleet.flower.depot import depot_fetch
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.stock import make_client_app, make_server_app
from fedloom.platform.client.client import ClientNode
from fedloom.platform.client.config import NodeConfig, load_node_config

__all__ = ["client", "open_node", "read_config", "server"]

_CONFIG = "FEDLOOM_CLIENT_CONFIG"
_FLOWER_NAMES = {"partition-id": "client_index", "num-partitions": "num_clients"}
"""What Flower's own apps call these."""

_CONFLICT_SECONDS, _LOOK_SECONDS = 30.0, 0.2
"""How long the process of the message before may take to end."""


def open_node(node_config: Mapping[str, Any]) -> ClientNode:
    """Return the node for one message.

    Raises:
        ConflictError: another process has been using its state for half a minute.
        FedloomError: its configuration or its state cannot be used.
    """
    # A runner that stays warm would not outlive the message.
    config = read_config(node_config).model_copy(update={"cold": True})
    endpoint = Endpoint(config.superlink, config.ca, insecure=config.insecure)
    until = monotonic() + _CONFLICT_SECONDS
    while True:
        try:
            return ClientNode(config, depot_fetch(endpoint))
        except ConflictError:
            if monotonic() > until:
                raise
            sleep(_LOOK_SECONDS)


def read_config(
    node_config: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> NodeConfig:
    """Return the node's configuration.

    Args:
        node_config: as `flower-supernode` got it.
        environment: the process's if None.

    Raises:
        InputError: something is unreadable or wrong.
    """
    variables = os.environ if environment is None else environment
    told = {_FLOWER_NAMES.get(key, key): value for key, value in node_config.items()}
    named = told.pop("config", None) or variables.get(_CONFIG)
    if isinstance(told.get("datasets"), str):
        try:
            told["datasets"] = yaml.safe_load(told["datasets"])
        except yaml.YAMLError as error:
            raise InputError(f"datasets of --node-config is no YAML: {error}") from error
    return load_node_config(None if not named else Path(str(named)), told, variables)


client = make_client_app(open_node)
server = make_server_app()
