"""The guard of confined calls: how they begin, and when they have taken too much."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic

from fedloom.package.run.tree import find_processes, stop_processes
from fedloom.platform.client.sandbox.bounds import Bounds, View
from fedloom.platform.client.sandbox.isolation import CONFINE, Isolation
from fedloom.platform.client.sandbox.leftovers import (
    end_confined,
    find_confined,
    read_note,
    sum_memory,
)

__all__ = ["SandboxGuard"]

_LOOK_SECONDS = 0.2
_FOLDER_SECONDS = 2.0
_SHARED_PART = 2
"""Which part of the memory may be shared between processes, through ``/dev/shm``."""

_MOST_ENTRIES = 1_000_000


@dataclass
class SandboxGuard:
    """Confines calls and watches them; see `fedloom.package.run.Guard`.

    Attributes:
        isolation: what this machine can do; what it can do is done.
        bounds: how much a call may use.
        view: which files it sees.
        network: whether it may use the network.
    """

    isolation: Isolation
    bounds: Bounds
    view: View
    network: bool = False
    _looked: float = field(default=0.0, init=False, repr=False)
    _measured: float = field(default=0.0, init=False, repr=False)
    _last: tuple[int, str] | None = field(default=None, init=False, repr=False)

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return the words that confine a command; empty where the system is not Linux."""
        if not sys.platform.startswith("linux"):
            return ()
        spec = {
            "writable": [str(self.view.writable)],
            "hidden": sorted({str(path) for path in self.view.hidden}),
            "shown": sorted({str(path) for path in self.view.shown}),
            "note": None if self.view.note is None else str(self.view.note),
            "network": self.network,
            "namespaces": self.isolation.namespaces,
            "landlock": self.isolation.landlock,
            "seccomp": self.isolation.seccomp and not self.isolation.namespaces,
            "shared_bytes": self.bounds.memory_bytes // _SHARED_PART,
            **{k: v for k, v in asdict(self.bounds).items() if k != "folder_bytes"},
        }
        return (sys.executable, "-I", "-S", str(CONFINE), json.dumps(spec))

    def look(self, leader: int, mark: str) -> str:
        """Return what the call has too much of, after ending it; nothing where all is well."""
        self._last = (leader, mark)
        now = monotonic()
        if now - self._looked < _LOOK_SECONDS:
            return ""
        self._looked = now
        if self.isolation.namespaces:
            pids = find_confined(self.view.writable)
        else:
            pids = [process.pid for process in find_processes(leader, mark)]
        fault = self._find_fault(pids)
        if fault and self.isolation.namespaces:
            others = {noted for noted in read_note(self.view.note) if noted[0] != leader}
            end_confined(self.view.writable, besides=others)
        return fault

    def end_leftovers(self, *, all_of_them: bool) -> None:
        """End what calls left running.

        Args:
            all_of_them: also those that began the calls, such as a warm process.
        """
        if self.isolation.namespaces:
            besides = frozenset() if all_of_them else read_note(self.view.note)
            end_confined(self.view.writable, besides=besides)
        elif self._last is not None:
            stop_processes(*self._last, grace_s=0.0)

    def _find_fault(self, pids: list[int]) -> str:
        if len(pids) > self.bounds.processes:
            return f"it has {len(pids)} processes, where {self.bounds.processes} are the most"
        if (used := sum_memory(pids)) > self.bounds.memory_bytes:
            return (
                f"it uses {_show_bytes(used)} of memory, where "
                f"{_show_bytes(self.bounds.memory_bytes)} are the most"
            )
        if monotonic() - self._measured < _FOLDER_SECONDS:
            return ""
        self._measured = monotonic()
        if (kept := _measure(self.view.writable)) > self.bounds.folder_bytes:
            return (
                f"it keeps {_show_bytes(kept)} in its folder, where "
                f"{_show_bytes(self.bounds.folder_bytes)} are the most"
            )
        return ""


def _show_bytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


def _measure(folder: Path) -> int:
    """Return the bytes on disk of all files in a folder; links are not followed."""
    total = seen = 0
    for place, _, names in os.walk(folder):
        for name in names:
            seen += 1
            try:
                total += os.lstat(os.path.join(place, name)).st_blocks * 512  # noqa: PTH118
            except OSError:
                continue
        if seen > _MOST_ENTRIES:
            break
    return total
