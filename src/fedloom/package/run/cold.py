"""The cold runner: a new process for every call."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING

from fedloom.package.run.call import Call, prepare_call
from fedloom.package.run.finished import NOT_EXECUTABLE, NOT_FOUND, Finished
from fedloom.package.run.guard import Guard
from fedloom.package.run.output import Output
from fedloom.package.run.watch import watch

if TYPE_CHECKING:
    from fedloom.package.environment import PackageEnvironment
    from fedloom.package.project import Project

__all__ = ["run_call", "run_entry_point"]


def run_entry_point(
    project: Project,
    name: str,
    arguments: Sequence[Path | str],
    *,
    environment: PackageEnvironment,
    variables: Mapping[str, str] = {},
    working_folder: Path | None = None,
    timeout_s: float | None = None,
    log: Path | None = None,
    on_output: Callable[[str], None] | None = None,
    cancel: Event | None = None,
    guard: Guard | None = None,
) -> Finished:
    """Run one entry point of a package to its end.

    Args:
        project: the package.
        name: of the entry point.
        arguments: appended to the command, whatever blanks they hold.
        environment: whose `python` the command means.
        variables: process environment beside this process's and the environment's.
        working_folder: where the command runs; the package's folder if None.
        timeout_s: seconds after which it is stopped together with all that it started.
        log: file that takes what it prints; large output is cut in the middle.
        on_output: called with each line it prints, in the thread of the caller.
        cancel: when set, by another thread, it is stopped as at its time limit.
        guard: further bounds around it.

    Returns:
        How it ended; a failure is no exception.

    Raises:
        PackageError: the package has no such entry point, or its command cannot be read.
        OutputError: the log cannot be written.
    """
    call = prepare_call(project, name, arguments, environment, variables, working_folder, guard)
    with Output(log, on_output) as output:
        return run_call(call, output, timeout_s=timeout_s, cancel=cancel)


def run_call(
    call: Call, output: Output, *, timeout_s: float | None = None, cancel: Event | None = None
) -> Finished:
    """Start a call as a new process and watch it to its end."""
    begun = perf_counter()
    try:
        process = _Process(call)
    except OSError as error:
        return _explain_refusal(call, output, error, perf_counter() - begun)
    with process:
        ending = watch(process, call, output, timeout_s=timeout_s, cancel=cancel)
    output.close()
    seconds = perf_counter() - begun
    return Finished(
        call.entry_point,
        ending.exit_code,
        seconds,
        ending.timed_out,
        output.tail,
        cancelled=ending.cancelled,
        stopped=ending.stopped,
    )


class _Process:
    """A process of its own session, with one pipe for both its outputs."""

    def __init__(self, call: Call) -> None:
        self.output, theirs = os.pipe()
        self.news: int | None = None
        try:
            self._process = subprocess.Popen(
                [*call.prefix, *call.words],
                cwd=call.folder,
                env=dict(call.variables),
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(theirs)
        self.pid = self._process.pid
        if hasattr(os, "pidfd_open"):
            with suppress(OSError):  # an old kernel: the watch looks from time to time
                self.news = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        return self._process.poll()

    def __enter__(self) -> _Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.close(self.output)
        if self.news is not None:
            os.close(self.news)


def _explain_refusal(call: Call, output: Output, error: OSError, seconds: float) -> Finished:
    """Turn the system's refusal to start a command into the exit code that a shell gives."""
    missing = isinstance(error, FileNotFoundError)
    output.say(f"{call.words[0]}: {error.strerror}")
    output.close()
    code = NOT_FOUND if missing else NOT_EXECUTABLE
    return Finished(call.entry_point, code, seconds, False, output.tail)
