"""A warm process: libraries loaded, ready to fork; and what it forks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from select import select
from socket import send_fds, socket, socketpair
from threading import Lock
from time import monotonic
from types import TracebackType
from typing import Any

import psutil

from fedloom.package.run.call import Call
from fedloom.package.warm.target import Target

__all__ = [
    "LAUNCHER",
    "Channel",
    "Fork",
    "Parent",
    "ParentGoneError",
    "UnsafeForkError",
    "can_fork",
]

LAUNCHER = Path(__file__).with_name("launcher.py")

_ANSWER_SECONDS = 30.0
"""How long a fork may take to tell its process id, on a machine that is very busy."""

_END_SECONDS = 5.0


def can_fork() -> bool:
    """Tell whether this system can start processes by forking a warm one."""
    return sys.platform in ("linux", "darwin")


class ParentGoneError(ConnectionError):
    """The warm process ended, or does not answer."""


class UnsafeForkError(Exception):
    """The warm process must not be forked for this call; the message says why."""


class Parent:
    """A warm process.

    Args:
        target: whose interpreter it runs.
        variables: its environment, as libraries see it when they are imported.
        folder: its working directory.
        log: file that takes what libraries print as they are imported.
    """

    def __init__(
        self, target: Target, variables: Mapping[str, str], folder: Path, log: Path
    ) -> None:
        ours, theirs = socketpair()
        self._control: socket = ours
        self._lock = Lock()
        with theirs, log.open("wb") as printed:
            self._process = subprocess.Popen(
                [*target.prefix, *target.interpreter, str(LAUNCHER), "serve", str(theirs.fileno())],
                cwd=folder,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def preload(self, recorded: Mapping[str, Any]) -> Channel:
        """Ask it to import modules; the answer comes through the channel when it has."""
        return self._ask(b"P", recorded)

    def fork(self, call: Call, target: Target, record: Path) -> Fork:
        """Start a call as a fork.

        Args:
            call: what to start.
            target: the same, as script and arguments.
            record: file that takes the modules it imports beyond those that are loaded.

        Raises:
            UnsafeForkError: it must not be forked for this call.
            ParentGoneError: it ended.
        """
        request = {
            "target": target.words,
            "folder": str(call.folder),
            "variables": dict(call.variables),
            "record": str(record),
        }
        output, theirs = os.pipe()
        try:
            channel = self._ask(b"F", request, theirs)
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        return Fork(channel, output)

    def retire(self) -> None:
        """Let it end when the calls at work in it have ended."""
        with suppress(OSError), self._lock:
            self._control.send(b"Q")

    def close(self) -> None:
        """End it together with what it forked; may be called twice."""
        self._control.close()
        try:
            self._process.wait(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:  # deep in an import, or stopped
            self._process.kill()
            self._process.wait(timeout=_END_SECONDS)

    def _ask(self, letter: bytes, request: Mapping[str, Any], *descriptors: int) -> Channel:
        ours, theirs = socketpair()
        try:
            with theirs, self._lock:
                send_fds(self._control, [letter], [theirs.fileno(), *descriptors])
            ours.settimeout(_ANSWER_SECONDS)
            ours.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            ours.close()
            raise ParentGoneError("the warm process ended") from error
        return Channel(ours)


class Channel:
    """One conversation with a warm process: lines of JSON."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        self._text = b""

    def fileno(self) -> int:
        """Return the descriptor that becomes readable with the next message."""
        return self._connection.fileno()

    def read(self, limit_s: float) -> dict[str, Any] | None:
        """Return the next message, or None if none comes in time.

        Raises:
            ParentGoneError: the process ended.
        """
        until = monotonic() + limit_s
        while b"\n" not in self._text:
            if not select([self._connection], [], [], max(0.0, until - monotonic()))[0]:
                return None
            part = b""
            with suppress(ConnectionError):
                part = self._connection.recv(65536)
            if not part:
                raise ParentGoneError("the warm process ended")
            self._text += part
        line, _, self._text = self._text.partition(b"\n")
        message: dict[str, Any] = json.loads(line)
        return message

    def close(self) -> None:
        """End the conversation."""
        self._connection.close()


class Fork:
    """A call at work in a fork of a warm process."""

    def __init__(self, channel: Channel, output: int) -> None:
        self.output = output
        self._channel = channel
        self._code: int | None = None
        self._ended_at: float | None = None
        self.news: int | None = channel.fileno()
        try:
            self.pid = self._read_start()
        except BaseException:
            self.close()
            raise

    def _read_start(self) -> int:
        message = self._channel.read(_ANSWER_SECONDS)
        if message is None:
            raise ParentGoneError(f"the warm process did not answer in {_ANSWER_SECONDS:.0f} s")
        if "unsafe" in message:
            raise UnsafeForkError(message["unsafe"])
        return int(message["process"])

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs.

        Raises:
            ParentGoneError: nobody can say any more.
        """
        if self._code is None:
            message = self._channel.read(0)
            if message is None:
                self._check_end()
            else:
                self._code = int(message["status"])
        return self._code

    def _check_end(self) -> None:
        """Give up on a warm process that says nothing of a fork that ended."""
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE:
                return
        self._ended_at = self._ended_at or monotonic()
        if monotonic() - self._ended_at > _ANSWER_SECONDS:
            raise ParentGoneError("the warm process does not answer")

    def close(self) -> None:
        """Let go of the pipes."""
        os.close(self.output)
        self._channel.close()

    def __enter__(self) -> Fork:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()
