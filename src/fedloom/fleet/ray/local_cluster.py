"""A Ray cluster of our own on this machine, on loopback, gone when it is no longer needed."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from secrets import token_hex
from select import select
from shutil import rmtree
from tempfile import mkdtemp
from time import monotonic

from fedloom.errors import LinkError
from fedloom.fleet.cores import count_cores
from fedloom.fleet.ray.installed import QUIET
from fedloom.fleet.ray.session import end_session
from fedloom.learning.backend import limit_threads

__all__ = ["LocalCluster"]

_LOGGER = logging.getLogger(__name__)

_START_SECONDS = 180.0
"""How long a cluster may take to start: Ray starts eight processes."""

_END_SECONDS = 30.0
"""How long it may take to end by itself before it is killed."""

STORE_BYTES = 256 * 2**20
"""Memory of the object store beside the data set; what does not fit goes to the disk."""


class LocalCluster:
    """A cluster of one node; started at once.

    Nobody else gets in: it listens on loopback, and asks for a token that this process made up.

    Args:
        data_bytes: how large the data set is that goes into its object store.

    Raises:
        LinkError: it did not start in time, or ended at once; the message says why.
    """

    def __init__(self, data_bytes: int) -> None:
        self.token = token_hex(32)
        # Short, since sockets lie in it and the system bounds the length of their paths.
        self._folder = mkdtemp(prefix="fl-ray-")
        self._log = Path(self._folder) / "keeper.log"
        asked = {
            "cores": count_cores(),
            "store_bytes": STORE_BYTES + 2 * data_bytes,
            "folder": self._folder,
        }
        try:
            with self._log.open("wb") as log:
                self._process = self._start(log.fileno())
            self.address = self._ask(asked)
        except BaseException:
            self.close()
            raise

    @property
    def session(self) -> int:
        """Number of the session that all processes of the cluster are in."""
        return self._process.pid

    @property
    def folder(self) -> str:
        """Where Ray keeps its sockets and logs."""
        return self._folder

    @property
    def alive(self) -> bool:
        """Whether the process that holds the cluster runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the cluster and whatever it started; may be called twice."""
        process = getattr(self, "_process", None)
        if process is None:
            rmtree(self._folder, ignore_errors=True)
            return
        if process.stdin is not None and not process.stdin.closed:
            process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            _LOGGER.warning("the local Ray cluster did not end by itself; killing it")
        finally:
            end_session(process.pid)
            process.wait(_END_SECONDS)
            if process.stdout is not None:
                process.stdout.close()
            rmtree(self._folder, ignore_errors=True)

    def _start(self, output: int) -> subprocess.Popen[bytes]:
        inherited = {n: v for n, v in os.environ.items() if not n.startswith("RAY_")}
        own = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            # Else Ray takes an address that other machines reach, and listens on all of them.
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
            "AUTOSCALER_METRIC_PORT": "0",
            "JAX_PLATFORMS": "cpu",
            "KERAS_BACKEND": "jax",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "fedloom.fleet.ray.keeper"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env={**limit_threads(inherited), **QUIET, **own},
            start_new_session=True,  # an interrupt of the terminal is for the fleet alone
        )

    def _ask(self, asked: object) -> str:
        """Say what to start, and wait for the address."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise LinkError(f"the local Ray cluster did not start: {self._last_line()}") from None
        until = monotonic() + _START_SECONDS
        while not select([self._process.stdout], [], [], 0.5)[0]:
            if monotonic() > until:
                raise LinkError(
                    f"the local Ray cluster did not start within {_START_SECONDS:.0f} s; "
                    "this machine may be too busy, or short of memory"
                )
        line = self._process.stdout.readline()
        if not line:
            raise LinkError(f"the local Ray cluster did not start: {self._last_line()}")
        return str(json.loads(line)["address"])

    def _last_line(self) -> str:
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1].strip() if lines else "it said nothing"
