"""Running uv, which makes the environments."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import IO

from fedloom.errors import PackageError

__all__ = ["UvCommand", "find_uv"]

_LAST_LINES = 12
_DRAWN = re.compile(r"[×╰╭│├─▶╴\s]+")
"""Runs of blanks and of the characters with which uv draws an error as a tree."""


def find_uv() -> Path:
    """Return uv's executable: the one that is installed beside Fedloom, else the one on ``PATH``.

    Raises:
        PackageError: there is none.
    """
    try:
        from uv import find_uv_bin

        return Path(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise PackageError("environments are made with uv, which is not there: pip install uv")
    return Path(found)


@dataclass(frozen=True)
class UvCommand:
    """How uv is run while one environment is made.

    Attributes:
        program: uv's executable.
        folder: the working folder, from which relative paths start.
        variables: the process environment.
        limit_s: seconds that one call may take.
        on_line: told every line of output.
        hidden: addresses that are left out of the output.
        held: file descriptors that uv inherits, so that a lock lives as long as it.
    """

    program: Path
    folder: Path
    variables: Mapping[str, str]
    limit_s: float
    on_line: Callable[[str], None]
    hidden: Sequence[str] = ()
    held: tuple[int, ...] = ()

    def run(self, arguments: Sequence[str], *, purpose: str, given: str = "") -> None:
        """Run uv, stream its output, and wait for its end.

        Args:
            arguments: of uv.
            purpose: what it is run for, for the error ("make the environment of …").
            given: what uv reads from its standard input.

        Raises:
            PackageError: uv failed or took too long; the message ends with its last lines.
        """
        last: deque[str] = deque(maxlen=_LAST_LINES)
        with TemporaryFile() as read:
            read.write(given.encode())
            read.seek(0)
            process = self._start(arguments, read)
            # uv and the build tools that it starts are one group, and end together.
            timer = Timer(self.limit_s, _end_group, [process])
            timer.start()
            try:
                self._follow(process, last)
            except BaseException:
                _end_group(process)
                raise
            finally:
                overdue = not timer.is_alive()
                timer.cancel()
                process.wait()
                _output(process).close()
        if process.returncode:
            ended = f"after {self.limit_s:g} s" if overdue else f"with code {process.returncode}"
            said = _DRAWN.sub(" ", " ".join(last)).strip() or "nothing"
            raise PackageError(f"cannot {purpose}: uv ended {ended} and said: {said}")

    def _start(self, arguments: Sequence[str], read: IO[bytes]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.program), "--no-progress", "--color", "never", *arguments],
            cwd=self.folder,
            env=dict(self.variables),
            stdin=read,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=self.held,
            start_new_session=True,
        )

    def _follow(self, process: subprocess.Popen[str], last: deque[str]) -> None:
        for line in _output(process):
            shown = line.rstrip()
            for address in self.hidden:
                shown = shown.replace(address, "(an address of pip's settings)")
            if shown:
                last.append(shown)
                self.on_line(shown)
        process.wait()


def _output(process: subprocess.Popen[str]) -> IO[str]:
    if process.stdout is None:
        raise AssertionError("uv was started without a pipe for its output")
    return process.stdout


def _end_group(process: subprocess.Popen[str]) -> None:
    # Reaping sets `returncode`: from then on the number may be another process's.
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)
