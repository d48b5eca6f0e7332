"""Processor time and memory of a process and all that it started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

__all__ = ["measure_cpu_seconds", "measure_peak_mb", "read_peak_bytes"]


def measure_cpu_seconds(root: int | None = None) -> float:
    """Return user and system seconds of the living processes of a tree (default: this one's)."""
    total = 0.0
    for process in _walk(root):
        try:
            times = process.cpu_times()
        except psutil.Error:  # it ended meanwhile
            continue
        total += times.user + times.system
    return total


def measure_peak_mb(root: int | None = None) -> float:
    """Return the sum over a tree's processes of the most memory each has held, in MB (10⁶ bytes).

    Each process's own peak, as the kernel keeps it: exact for one process. For several it is an
    upper bound, since pages that processes share count for each of them.
    """
    return sum(read_peak_bytes(process.pid) for process in _walk(root)) / 1e6


def read_peak_bytes(pid: int) -> int:
    """Return the most memory that one process has held since it began its program; 0 if it ended.

    `getrusage` cannot tell: what it reports of a child is never less than its parent held.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # not Linux, or it ended meanwhile
        return _read_current_bytes(pid)
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0  # a process that has ended and was not collected


def _read_current_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _walk(root: int | None) -> Iterator[psutil.Process]:
    top = psutil.Process(os.getpid() if root is None else root)
    yield top
    yield from top.children(recursive=True)
