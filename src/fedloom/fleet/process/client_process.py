"""The fleet's end of a client's process: start, ask, wait with a limit, kill."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from threading import Lock
from time import monotonic
from typing import Any

from fedloom.fleet.process.messages import Done, Failed, Train, Welcome

__all__ = ["ClientGone", "ClientHandle", "ClientLate"]

_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
"""Two threads in each of several processes on few cores cost many times what they gain."""

_LOOK_SECONDS = 0.5
"""How often a wait looks whether the process is still alive."""


class ClientGone(Exception):  # noqa: N818 - an outcome that the fleet turns into a failure
    """The process of a client ended before it answered; the message says how."""


class ClientLate(Exception):  # noqa: N818 - as above
    """A client did not answer within its time."""


class ClientHandle:
    """One client's process, started at once.

    Args:
        welcome: who the client is.
        log: file that takes what the process writes to its output.
    """

    def __init__(self, welcome: Welcome, log: Path) -> None:
        ours, theirs = socketpair()
        self._log = log
        flags = f"{os.environ.get('XLA_FLAGS', '')} {_ONE_THREAD}".strip()
        command = [sys.executable, "-m", "fedloom.fleet.process.worker", str(theirs.fileno())]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno()],
                env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
                start_new_session=True,  # an interrupt of the terminal is for the fleet alone
            )
        theirs.close()
        self._pipe = Connection(ours.detach())
        self._lock = Lock()
        self._say(welcome)

    def train(self, order: Train, timeout_s: float | None) -> Done | Failed:
        """Send an order and wait for the answer.

        Raises:
            ClientGone: the process ended.
            ClientLate: `timeout_s` passed.
        """
        with self._lock:
            self._say(order)
            self._wait(None if timeout_s is None else monotonic() + timeout_s)
            try:
                answer: Done | Failed = self._pipe.recv()
            except (EOFError, OSError) as error:
                raise ClientGone(self._describe_end()) from error
            return answer

    def stop(self) -> None:
        """End the process, if need be by force; may be called twice and from any thread."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(timeout=30)
        if not self._lock.locked():
            self._pipe.close()

    def _say(self, message: Any) -> None:
        try:
            self._pipe.send(message)
        except OSError as error:
            raise ClientGone(self._describe_end()) from error

    def _wait(self, until: float | None) -> None:
        while not self._pipe.poll(_LOOK_SECONDS):
            if until is not None and monotonic() > until:
                raise ClientLate
            if self._process.poll() is not None and not self._pipe.poll(0):
                raise ClientGone(self._describe_end())

    def _describe_end(self) -> str:
        """Say how the process ended, with the last line it wrote."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "its process closed the pipe"
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return f"its process {how}" + (f": {lines[-1]}" if lines else "")
