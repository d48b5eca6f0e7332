"""The process that holds a local Ray cluster: ``python -m fedloom.fleet.ray.keeper``.

It reads what to start as one line of JSON, starts it, prints the cluster's address as one line of
JSON, and ends the cluster when its input ends: when the fleet closes, or when the process of the
fleet is gone, however that came about. All processes of the cluster are in its session, and the
system kills Ray's servers if the keeper itself is killed.
"""

from __future__ import annotations

import json
import shutil
import sys
from typing import Any

from fedloom.fleet.ray.installed import load_ray
from fedloom.fleet.ray.session import end_session

__all__ = ["keep"]


def keep() -> None:
    """Hold a cluster until the input ends."""
    asked = json.loads(sys.stdin.readline())
    try:
        context = _start(asked)
        print(json.dumps({"address": context.address_info["address"]}), flush=True)
        sys.stdin.read()
    finally:
        load_ray().shutdown()
        end_session()
        shutil.rmtree(asked["folder"], ignore_errors=True)


def _start(asked: Any) -> Any:
    return load_ray().init(
        num_cpus=asked["cores"],
        num_gpus=0,
        object_store_memory=asked["store_bytes"],
        include_dashboard=False,
        configure_logging=False,
        log_to_driver=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=asked["folder"],
    )


if __name__ == "__main__":
    keep()
