"""A process of a cell: started apart from the terminal, ended with us at the latest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fedloom.files import output_errors

__all__ = ["Child"]

_END_SECONDS = 10.0


class Child:
    """One process, started at once; it ends when its standard input does, which says we are gone.

    Args:
        module: of Python that it runs.
        arguments: of that.
        output: file to which all that it prints is appended.
        environment: its variables.

    Raises:
        OutputError: its output cannot be written.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        output: Path,
        environment: Mapping[str, str],
    ) -> None:
        self._output = output
        with output_errors(output):
            output.parent.mkdir(parents=True, exist_ok=True)
            file = output.open("ab")
        with file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments, "--end-with-parent"],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                env=dict(environment),
                start_new_session=True,  # a Ctrl-C in the terminal is for us to pass on
            )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, None while it runs; negative is the signal that killed it."""
        return self._process.poll()

    def describe_end(self) -> str:
        """Say how it ended, with the last line that it printed."""
        code = self.exit_code
        how = "still runs" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by signal {-code}"
        last = self._last_line()
        return f"{how}: {last}" if last else how

    def wait(self, within_s: float) -> bool:
        """Wait until it has ended; return whether it has."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=within_s)
        return self.exit_code is not None

    def ask(self) -> None:
        """Ask it to end; returns at once."""
        if self.exit_code is None:
            self._process.terminate()

    def stop(self) -> None:
        """Ask it to end, and kill it with all of its session if it does not; may come twice."""
        self.ask()
        self.wait(_END_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(timeout=_END_SECONDS)
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _last_line(self) -> str:
        with suppress(OSError):
            lines = self._output.read_bytes()[-8192:].decode("utf-8", "replace").splitlines()
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""
