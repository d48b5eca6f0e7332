"""The fleet's end of a client's process: start, ask, wait with a limit, kill."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from threading import TIMEOUT_MAX, Timer
from time import monotonic

from fedloom.fleet.process.messages import Done, Failed, Train, Welcome
from fedloom.learning.backend import limit_threads

__all__ = ["ClientGone", "ClientHandle", "ClientLate"]

_LOGGER = logging.getLogger(__name__)

_ON_PROCESSOR = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
"""Many processes do not share the memory of one GPU."""

_LOOK_SECONDS = 0.5
"""How often a wait looks whether the process is still alive."""

_END_SECONDS = 30.0
"""How long the system may take to end a killed process."""


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
        self._log = log
        self._welcome: Welcome | None = welcome
        self._late = False
        ours, theirs = socketpair()
        with theirs, ours, log.open("wb") as output:
            self._process = _start(theirs.fileno(), output.fileno())
            self._pipe = Connection(ours.detach())

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def train(self, order: Train, until: float) -> Done | Failed:
        """Send an order and wait for the answer; only one thread may do so at a time.

        Args:
            order: what to train.
            until: `time.monotonic` at which the process is killed if it has not answered.

        Raises:
            ClientGone: the process ended.
            ClientLate: `until` passed.
        """
        try:
            with self._killed_at(until):
                return self._ask(order)
        except (EOFError, OSError) as error:
            if self._late:
                raise ClientLate from error
            raise ClientGone(self._describe_end()) from error

    def kill(self) -> None:
        """End the process and what it has started; from any thread, also while it trains."""
        if not self.alive:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=_END_SECONDS)
        except ProcessLookupError:
            return  # it ended between the look and the kill
        except subprocess.TimeoutExpired:
            _LOGGER.warning("process %d does not end", self._process.pid)

    def close(self) -> None:
        """End the process and the pipe; only where no other thread uses it."""
        self.kill()
        self._pipe.close()

    def _ask(self, order: Train) -> Done | Failed:
        if self._welcome is not None:
            self._pipe.send(self._welcome)
            self._welcome = None
        self._pipe.send(order)
        while not self._pipe.poll(_LOOK_SECONDS):
            # Without a look: another process that the client started may hold the pipe open.
            if not self.alive and not self._pipe.poll(0):
                raise EOFError
        answer: Done | Failed = self._pipe.recv()
        return answer

    @contextmanager
    def _killed_at(self, until: float) -> Iterator[None]:
        """Kill the process at a time: this ends every wait for it, also a blocked send."""

        def expire() -> None:
            self._late = True
            self.kill()

        timer = Timer(min(max(0.0, until - monotonic()), TIMEOUT_MAX), expire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _describe_end(self) -> str:
        """Say how the process ended, with the last line it wrote."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "its process closed the pipe"
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        lines = self._log.read_text("utf-8", errors="replace").strip().splitlines()
        return f"its process {how}" + (f": {lines[-1].strip()}" if lines else "")


def _start(pipe: int, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fedloom.fleet.process.worker", str(pipe)],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=[pipe],
        env={**limit_threads(os.environ), **_ON_PROCESSOR},
        start_new_session=True,  # an interrupt of the terminal is for the fleet alone
    )
