"""A process of ours: started apart from the terminal, asked to end before it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fedloom.files import output_errors

__all__ = ["Child"]

_END_SECONDS = 4.0


class Child:
    """One process; it must end when its standard input does, which says that we are gone.

    Args:
        name: what people call it.
        command: what to run.
        log: file to which all that it prints is appended.
        environment: variables that it has beside ours.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str] = {}
    ) -> None:
        self.name, self.log = name, log
        self._command, self._environment = list(command), dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process, if it was started."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; returns at once.

        Raises:
            OutputError: its log cannot be written.
        """
        self.stop()
        with output_errors(self.log), self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._environment},
                start_new_session=True,  # a Ctrl-C in the terminal is for us to pass on
            )

    def ask(self) -> None:
        """Ask it to end; returns at once."""
        if self._process is not None and self.alive:
            self._process.terminate()

    def stop(self, within_s: float = _END_SECONDS) -> None:
        """Ask it to end, and kill it with all of its session if it does not; may be called twice.

        Args:
            within_s: seconds that it has.
        """
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=within_s)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=within_s)
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()

    def last_line(self) -> str:
        """Return the last thing it printed, for a message."""
        with suppress(OSError):
            lines = self.log.read_bytes()[-4096:].decode("utf-8", "replace").strip().splitlines()
            return lines[-1].strip() if lines else ""
        return ""
