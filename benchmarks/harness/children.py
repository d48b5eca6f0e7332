"""Running a command with a time limit, and leaving none of its processes behind."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile

import psutil

from harness.process_tree import read_peak_bytes

__all__ = ["Ended", "run_command"]

_LOOK_SECONDS = 0.002
_GONE_SECONDS = 10.0


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Attributes:
        code: exit code; None where it ran past its time limit.
        output: standard output.
        errors: standard error.
        seconds: wall time.
        peak_mb: most memory that it held (not its children) when looked at, in MB (10⁶ bytes).
    """

    code: int | None
    output: str
    errors: str
    seconds: float
    peak_mb: float


def run_command(
    command: Sequence[str],
    *,
    limit_seconds: float,
    look_seconds: float = _LOOK_SECONDS,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Ended:
    """Run a command to its end or its time limit; then nothing of it is left.

    Args:
        command: program and arguments.
        limit_seconds: after so long it and its descendants are killed.
        look_seconds: how often to look whether it has ended; the resolution of `Ended.seconds`.
        environment: default: this process's.
        folder: where it runs.
    """
    with TemporaryFile("w+") as output, TemporaryFile("w+") as errors:
        begun = time.perf_counter()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=environment,
            cwd=folder,
        )
        try:
            peak_bytes = _await(child, begun + limit_seconds, look_seconds)
            seconds, code = time.perf_counter() - begun, child.returncode
        finally:
            if child.returncode is None:  # too late, or this process was interrupted
                _kill_tree(child)
        output.seek(0)
        errors.seek(0)
        return Ended(code, output.read(), errors.read(), seconds, peak_bytes / 1e6)


def _await(child: subprocess.Popen[bytes], deadline: float, look_seconds: float) -> int:
    peak_bytes = 0
    while child.poll() is None and time.perf_counter() < deadline:
        peak_bytes = max(peak_bytes, read_peak_bytes(child.pid))
        time.sleep(look_seconds)
    return peak_bytes


def _kill_tree(child: subprocess.Popen[bytes]) -> None:
    processes = [psutil.Process(child.pid)]
    processes += processes[0].children(recursive=True)
    for process in reversed(processes):
        with suppress(psutil.NoSuchProcess):
            process.kill()
    child.wait(timeout=_GONE_SECONDS)
    psutil.wait_procs(processes[1:], timeout=_GONE_SECONDS)
