"""Whether a Ray cluster answers, tried in a process of its own.

Ray's own attempt to connect goes on for minutes where a port is open and nobody answers, and then
ends the process. A process that is thrown away has a limit.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from fedloom.errors import LinkError
from fedloom.fleet.ray.installed import QUIET, load_ray

__all__ = ["check_cluster", "is_reachable"]

_CONNECT_SECONDS = 5.0
"""How long a port may take to open."""

_PROBE_SECONDS = 90.0
"""How long a cluster may take to answer; loading Ray is part of it."""


def check_cluster(address: str) -> None:
    """Find out whether this machine can use a cluster.

    Raises:
        LinkError: it cannot; the message says why.
    """
    if address != "auto" and not is_reachable(address):
        raise LinkError(
            f"no Ray cluster answers at {address}: give HOST:PORT of its head node, or leave "
            "ray_address and RAY_ADDRESS out for a cluster on this machine"
        )
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fedloom.fleet.ray.probe", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            env={**os.environ, **QUIET},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LinkError(
            f"{address} takes connections and does not answer as a Ray cluster within "
            f"{_PROBE_SECONDS:.0f} s; give HOST:PORT of its head node"
        ) from None
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"the attempt ended with {done.returncode}"
        raise LinkError(f"the Ray cluster at {address} cannot be used: {reason}")


def is_reachable(address: str) -> bool:
    """Tell whether something takes connections at an address; a wrong one is unreachable."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS):
            return True
    except (OSError, ValueError, OverflowError):
        return False


def _probe(address: str) -> None:
    ray = load_ray()
    try:
        ray.init(address=address, configure_logging=False, log_to_driver=False)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        cause = error.__cause__ or error
        print(" ".join(str(cause).split()))
        sys.exit(1)
    ray.shutdown()


if __name__ == "__main__":
    _probe(sys.argv[1])
