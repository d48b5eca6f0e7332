"""How a call of an entry point ended, and what that means in words."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from fedloom.package.environment import PackageEnvironment
    from fedloom.package.project import Project
    from fedloom.package.run.guard import Guard

__all__ = ["NOT_EXECUTABLE", "NOT_FOUND", "EntryPointRunner", "Finished"]

NOT_EXECUTABLE, NOT_FOUND = 126, 127
"""Exit codes by which a shell, and Fedloom, say that a command could not be started."""

_SHELL_SIGNALS = range(129, 129 + 64)
"""A shell returns 128 plus the number of the signal that ended its command."""

_TRACES = {
    r"^MemoryError|out of memory|Cannot allocate memory": "it ran out of memory",
    r"No space left on device|Disk quota exceeded": "the disk is full",
}
"""What the last lines of output tell about the cause of any exit code."""


@dataclass(frozen=True)
class Finished:
    """How a call of an entry point ended.

    Attributes:
        entry_point: its name.
        exit_code: as the process gave it; minus the number of the signal that ended it.
        seconds: wall time from its start to its end.
        timed_out: whether it was stopped at its time limit.
        tail: the last lines it printed to stdout and stderr, without line ends.
        cancelled: whether it was stopped because the caller asked for it.
        warm: whether it began in a process that had its libraries loaded already.
        stopped: why the caller's guard stopped it; empty where it did not.
    """

    entry_point: str
    exit_code: int
    seconds: float
    timed_out: bool
    tail: tuple[str, ...]
    cancelled: bool = False
    warm: bool = False
    stopped: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself with exit code 0."""
        stopped = self.timed_out or self.cancelled or bool(self.stopped)
        return self.exit_code == 0 and not stopped

    def explain(self) -> str:
        """Return one line: what happened, and the last thing it said where that helps."""
        name, last = self.entry_point, next((line for line in reversed(self.tail) if line), "")
        said = f": {last.strip()}" if last.strip() else ""
        if self.timed_out:
            return f"{name} was stopped at its time limit, after {self.seconds:.1f} s{said}"
        if self.cancelled:
            return f"{name} was stopped on request, after {self.seconds:.1f} s"
        if self.stopped:
            return f"{name} was stopped after {self.seconds:.1f} s: {self.stopped}"
        if self.exit_code == 0:
            return f"{name} ended well after {self.seconds:.1f} s"
        return f"{name} {self._describe_code()}{self._guess_cause()}{said}"

    def _describe_code(self) -> str:
        number = -self.exit_code if self.exit_code < 0 else self.exit_code - 128
        if self.exit_code < 0 or self.exit_code in _SHELL_SIGNALS:
            return f"was ended by {_name_signal(number)}"
        return {
            NOT_EXECUTABLE: "could not be started (exit code 126)",
            NOT_FOUND: "could not be started: command not found (exit code 127)",
        }.get(self.exit_code, f"ended with exit code {self.exit_code}")

    def _guess_cause(self) -> str:
        for pattern, cause in _TRACES.items():
            if any(re.search(pattern, line) for line in self.tail):
                return f" ({cause})"
        if self.exit_code in (-signal.SIGKILL, 128 + signal.SIGKILL):
            return " (by another process, or by the system because memory ran out)"
        return ""


def _name_signal(number: int) -> str:
    meaning = {"SIGSEGV": "a crash", "SIGBUS": "a crash", "SIGABRT": "abort"}
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} ({meaning[name]})" if name in meaning else name


class EntryPointRunner(Protocol):
    """What runs an entry point: `run_entry_point`, or a `WarmRunner`'s method of that name."""

    def __call__(
        self,
        project: Project,
        name: str,
        arguments: Sequence[Path | str],
        *,
        environment: PackageEnvironment,
        variables: Mapping[str, str] = ...,
        working_folder: Path | None = None,
        timeout_s: float | None = None,
        log: Path | None = None,
        on_output: Callable[[str], None] | None = None,
        cancel: Event | None = None,
        guard: Guard | None = None,
    ) -> Finished:
        """Run one entry point to its end; see `fedloom.package.run.run_entry_point`."""
