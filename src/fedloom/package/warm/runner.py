"""The warm runner: like `run_entry_point`, and at once from the second call on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Lock
from types import TracebackType
from typing import TYPE_CHECKING

from fedloom.package.run.call import Call, prepare_call
from fedloom.package.run.cold import run_call
from fedloom.package.run.finished import Finished
from fedloom.package.run.guard import Guard
from fedloom.package.run.output import Output
from fedloom.package.warm.line import Line
from fedloom.package.warm.parent import can_fork
from fedloom.package.warm.target import Target, find_target

if TYPE_CHECKING:
    from fedloom.package.environment import PackageEnvironment
    from fedloom.package.project import Project

__all__ = ["WarmRunner"]

_MOST_LINES = 8
"""How many warm processes are kept; each holds a framework in memory."""

_log = logging.getLogger(__name__)


class WarmRunner:
    """Runs entry points; from the second call of one on, without importing its libraries again.

    The first call of an entry point runs cold and records which installed modules it imports. A
    process in the package's environment then imports the same ones, without any of the package's
    own code, and is forked for every further call. A script sees its own arguments, working
    directory, environment, output, and process group, and a changed script is read anew.

    What cannot be started so runs cold, and `on_notice` is told why, once per entry point:
    commands other than ``python script.py`` and ``python -m module``, libraries that start threads
    when they are imported (JAX, TensorFlow), systems other than Linux and macOS.

    Two things differ from a cold call: what libraries print as they are imported is not printed
    again, and all forks of one process share its hash seed, so sets keep one order unless
    PYTHONHASHSEED says otherwise. Random states of `random` and NumPy are fresh in each fork.

    May be called from several threads. Use it as a context, or call `close`.

    Args:
        on_notice: called with a line for the user; a line of the log if None.
        start_timeout_s: how long a call waits for the warm process before it runs cold.
        records: folder in which calls note what they import, where they may not write elsewhere.
    """

    def __init__(
        self,
        *,
        on_notice: Callable[[str], None] | None = None,
        start_timeout_s: float = 60.0,
        records: Path | None = None,
    ) -> None:
        self._on_notice = on_notice or _log.warning
        self._start_timeout_s = start_timeout_s
        self._folder = TemporaryDirectory(prefix="fedloom-warm-")
        self._records = records
        self._lines: dict[str, Line] = {}
        self._told: set[str] = set()
        self._lock = Lock()
        self._closed = False

    def run_entry_point(
        self,
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
        """Run one entry point of a package to its end, as `fedloom.package.run` describes it."""
        call = prepare_call(project, name, arguments, environment, variables, working_folder, guard)
        place = self._find_place(call, str(environment.python))
        with Output(log, on_output) as output:
            if isinstance(place, str):
                self._tell(name, place)
                return run_call(call, output, timeout_s=timeout_s, cancel=cancel)
            line, target = place
            return line.run(call, target, output, timeout_s=timeout_s, cancel=cancel)

    def close(self) -> None:
        """End the warm processes, and the calls that are still at work in them."""
        with self._lock:
            self._closed = True
            lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            line.close()
        self._folder.cleanup()

    def __enter__(self) -> WarmRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def _find_place(self, call: Call, python: str) -> tuple[Line, Target] | str:
        """Return what runs a call, or why it runs cold."""
        target = find_target(call, python) if can_fork() else "this system cannot fork"
        if isinstance(target, str):
            return target
        with self._lock:
            if self._closed:
                return "the warm runner is closed"
            if target.key not in self._lines:
                if len(self._lines) >= _MOST_LINES:
                    return f"there are {_MOST_LINES} warm processes already"
                self._lines[target.key] = self._open_line(call.entry_point, target)
            return self._lines[target.key], target

    def _open_line(self, entry_point: str, target: Target) -> Line:
        folder = Path(self._folder.name) / target.key[:16]
        folder.mkdir()
        return Line(
            folder,
            on_refusal=lambda reason: self._tell(entry_point, reason),
            start_timeout_s=self._start_timeout_s,
            records=self._records,
        )

    def _tell(self, entry_point: str, reason: str) -> None:
        with self._lock:
            if entry_point in self._told:
                return
            self._told.add(entry_point)
        self._on_notice(f"{entry_point} starts Python anew in every call: {reason}")
