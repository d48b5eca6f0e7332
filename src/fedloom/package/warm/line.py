"""One entry point's calls in one environment: the first cold, then from a warm process."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from signal import SIGKILL
from threading import Event, Lock
from time import monotonic, perf_counter
from typing import Any

from fedloom.package.run.call import Call
from fedloom.package.run.cold import run_call
from fedloom.package.run.finished import Finished
from fedloom.package.run.output import Output
from fedloom.package.run.tree import MARK
from fedloom.package.run.watch import Ending, watch
from fedloom.package.warm.parent import (
    LAUNCHER,
    Channel,
    Fork,
    Parent,
    ParentGoneError,
    UnsafeForkError,
)
from fedloom.package.warm.target import Target

__all__ = ["Line"]

_UNSAFE_LIBRARIES = frozenset({"jax", "jaxlib", "tensorflow"})
"""They start threads and backends as they are imported, and hang in a fork."""

_LOOK_SECONDS = 0.1
"""How often a call that waits for a warm process looks whether it is still wanted."""

_MOST_STARTS = 3
"""After so many warm processes that did not live, calls run cold for good."""


class Line:
    """What is known of one kind of call, and its warm process once there is one.

    Args:
        folder: empty folder for its log and records.
        on_refusal: called with the reason when calls cannot be warm.
        start_timeout_s: how long a call waits for the warm process.
        records: folder for records; `folder` if None.
    """

    def __init__(
        self,
        folder: Path,
        *,
        on_refusal: Callable[[str], None],
        start_timeout_s: float,
        records: Path | None = None,
    ) -> None:
        self.refusal = ""
        self._folder, self._on_refusal = folder, on_refusal
        self._start_timeout_s, self._records = start_timeout_s, records or folder
        self._recorded: dict[str, Any] | None = None
        self._stamp: tuple[int, ...] = ()
        self._parent: Parent | None = None
        self._retired: list[Parent] = []
        self._loading: Channel | None = None
        self._starts = self._unrecorded = 0
        self._lock = Lock()
        self._closed = False

    def run(
        self,
        call: Call,
        target: Target,
        output: Output,
        *,
        timeout_s: float | None,
        cancel: Event | None,
    ) -> Finished:
        """Run a call warm if that can be, cold if not."""
        begun = perf_counter()
        try:
            fork = self._fork(call, target, cancel)
            if fork is not None:
                with fork:
                    ending = watch(fork, call, output, timeout_s=timeout_s, cancel=cancel)
                self._starts = 0
                self._learn(call, target)
                return _describe(call, output, begun, ending)
        except ParentGoneError:
            if self._closed:
                return _describe(call, output, begun, Ending(-SIGKILL, cancelled=True))
            output.say("[fedloom: the warm process was ended; this call starts again without it]")
        return self._run_cold(call, target, output, timeout_s, cancel)

    def close(self) -> None:
        """End the warm process and what it forked; a call that waits for it ends too."""
        self._closed = True
        for parent in [*self._retired, *([self._parent] if self._parent else [])]:
            parent.close()
        if self._loading is not None:
            self._loading.close()

    # The first call

    def _run_cold(
        self,
        call: Call,
        target: Target,
        output: Output,
        timeout_s: float | None,
        cancel: Event | None,
    ) -> Finished:
        if self.refusal or self._recorded is not None:
            return run_call(call, output, timeout_s=timeout_s, cancel=cancel)
        recorder = (str(LAUNCHER), "record", str(self._record_file(call)))
        words = (*target.interpreter, *recorder, *target.words)
        finished = run_call(replace(call, words=words), output, timeout_s=timeout_s, cancel=cancel)
        self._learn(call, target)
        return finished

    def _record_file(self, call: Call) -> Path:
        return self._records / call.mark

    def _learn(self, call: Call, target: Target) -> None:
        """Load what a call imported that is not loaded yet."""
        file = self._record_file(call)
        with self._lock:
            if self.refusal or self._closed:
                return
            if file.exists():
                self._add(json.loads(file.read_text("utf-8")))
                file.unlink()
                if not self.refusal:
                    self._load(call, target)
            elif self._recorded is None:
                self._unrecorded += 1
                if self._unrecorded == _MOST_STARTS:
                    self._refuse("it always ends before Python can list what it imported")

    def _add(self, record: dict[str, Any]) -> None:
        known = self._recorded or {"modules": [], "own": []}
        self._recorded = {
            "modules": list(dict.fromkeys([*known["modules"], *record["modules"]])),
            "own": sorted({*known["own"], *record["own"]}),
            "libraries": record["libraries"],
        }
        self._stamp = self._read_stamp()
        packages = {name.partition(".")[0] for name in self._recorded["modules"]}
        if unsafe := sorted(packages & _UNSAFE_LIBRARIES):
            self._refuse(f"{unsafe[0]} does not work in a forked process")

    def _load(self, call: Call, target: Target) -> None:
        """Let the warm process import what is recorded, starting it if there is none."""
        assert self._recorded is not None
        if self._loading is not None:
            self._loading.close()
            self._loading = None
        if self._parent is None or not self._parent.alive:
            self._start(call, target)
        if self._parent is not None:
            with suppress(ParentGoneError):  # the next call finds it ended
                self._loading = self._parent.preload(self._recorded)

    def _start(self, call: Call, target: Target) -> None:
        self._drop_parent()
        if self._starts == _MOST_STARTS:
            self._refuse(f"the warm process ended {_MOST_STARTS} times: {self._read_log()}")
            return
        self._starts += 1
        # It outlives this call, so it must not be found by the call's mark.
        variables = {name: value for name, value in call.variables.items() if name != MARK}
        self._parent = Parent(target, variables, call.folder, self._folder / "log")

    # Later calls

    def _fork(self, call: Call, target: Target, cancel: Event | None) -> Fork | None:
        """Start a call as a fork; return None where it must run cold.

        Raises:
            ParentGoneError: the warm process ended, and a new one did as well.
        """
        for _ in range(_MOST_STARTS):
            with self._lock:
                parent = self._find_parent(call, target, cancel)
            if parent is None:
                return None
            try:
                return parent.fork(call, target, self._record_file(call))
            except UnsafeForkError as error:
                with self._lock:
                    self._refuse(str(error))
            except ParentGoneError:
                if self._closed:
                    raise
                with self._lock:
                    if self._parent is parent:
                        self._drop_parent()
        return None

    def _find_parent(self, call: Call, target: Target, cancel: Event | None) -> Parent | None:
        """Return the warm process once it has loaded all it is to load."""
        if self.refusal or self._recorded is None:
            return None
        if self._closed:
            raise ParentGoneError("the warm runner is closed")
        if self._stamp != self._read_stamp():  # something was installed
            self._recorded = None
            self._drop_parent()
            return None
        if self._parent is None or not self._parent.alive:
            self._load(call, target)
        if self._loading is not None and not self._await_loading(self._loading, cancel):
            return None
        return None if self.refusal else self._parent

    def _await_loading(self, loading: Channel, cancel: Event | None) -> bool:
        """Wait until all is loaded, or that fails; return False if nobody wants it any more."""
        until, answer = monotonic() + self._start_timeout_s, None
        try:
            while answer is None and monotonic() < until:
                if cancel is not None and cancel.is_set():
                    return False
                answer = loading.read(min(_LOOK_SECONDS, max(0.0, until - monotonic())))
        except ParentGoneError:
            answer = {"unsafe": ""}  # the fork will meet it too, and another process be started
        loading.close()
        self._loading = None
        if answer is None:
            self._refuse(f"its libraries were not loaded within {self._start_timeout_s:g} s")
        elif answer["unsafe"]:
            self._refuse(answer["unsafe"])
        return True

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        self._drop_parent()
        self._on_refusal(reason)

    def _drop_parent(self) -> None:
        """Let the warm process end when the calls at work in it are done."""
        if self._parent is not None:
            self._parent.retire()
            self._retired.append(self._parent)
            self._parent = None

    def _read_stamp(self) -> tuple[int, ...]:
        """Return what changes when something is installed."""
        assert self._recorded is not None
        folders = (Path(folder) for folder in self._recorded["libraries"])
        return tuple(folder.stat().st_mtime_ns for folder in folders if folder.is_dir())

    def _read_log(self) -> str:
        lines = (self._folder / "log").read_text("utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line), "it said nothing")


def _describe(call: Call, output: Output, begun: float, ending: Ending) -> Finished:
    output.close()
    return Finished(
        call.entry_point,
        ending.exit_code,
        perf_counter() - begun,
        ending.timed_out,
        output.tail,
        cancelled=ending.cancelled,
        warm=True,
        stopped=ending.stopped,
    )
