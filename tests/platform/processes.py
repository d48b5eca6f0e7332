"""Parts of the platform as real processes: start, read what they say, kill, look what is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil

from fedloom.package import archive
from fedloom.platform.connection import Platform, connect

__all__ = ["IRIS", "LIMIT_S", "Running", "find_members", "open_platform", "run_part", "wait_until"]

LIMIT_S = 120.0
"""More than anything takes on a busy machine with two cores."""

IRIS = Path(archive.__file__).parent / "templates" / "iris" / "client"


def wait_until(what: Callable[[], Any], *, within_s: float = LIMIT_S, why: str = "") -> Any:
    """Return what is true of something as soon as it is; fail if it never is."""
    until = monotonic() + within_s
    while True:
        if found := what():
            return found
        assert monotonic() < until, f"it did not happen: {why or what}"
        sleep(0.05)


def find_members(pid: int, words: str) -> list[psutil.Process]:
    """Return the processes below one whose command line has some words in it."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if words in " ".join(process.cmdline()):
                    found.append(process)
    return found


class Running:
    """A ``fedloom`` command as a process of its own; what it prints goes into a file."""

    def __init__(
        self, words: Sequence[str], output: Path, environment: Mapping[str, str] = {}
    ) -> None:
        self.output = output
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("FEDLOOM_")}
        own = {"XDG_DATA_HOME": str(output.parent / "home"), "PYTHONUNBUFFERED": "1"}
        with output.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "fedloom", *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**inherited, **own, **environment},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, pattern: str, *, count: int = 1) -> re.Match[str]:
        """Wait until it has printed something so often, and return the last."""

        def look() -> re.Match[str] | None:
            found = list(re.finditer(pattern, self.text))
            if len(found) < count:
                assert self.process.poll() is None, f"it ended: {self.text}"
                return None
            return found[count - 1]

        try:
            match = wait_until(look)
        except AssertionError as error:
            raise AssertionError(f"{pattern!r} was not printed:\n{self.text}") from error
        assert isinstance(match, re.Match)
        return match

    def family(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(self.pid)
            return [process, *process.children(recursive=True)]
        return []

    def end(self, number: int = signal.SIGINT, within_s: float = LIMIT_S) -> int:
        """Ask it to end, and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(within_s)

    def kill(self) -> None:
        """End it as a power cut would, without a word to its children."""
        self.process.kill()
        self.process.wait(LIMIT_S)


@contextmanager
def run_part(*words: str, output: Path, environment: Mapping[str, str] = {}) -> Iterator[Running]:
    """Run a command for the block; at its end nothing of it is left."""
    running = Running(words, output, environment)
    try:
        yield running
    finally:
        family = running.family()
        if running.process.poll() is None:
            running.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(30.0)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        running.process.wait(LIMIT_S)


def open_platform(url: str, token: str, **settings: Any) -> Platform:
    """Connect to the platform that a test started."""
    return connect(url, token, timeout_s=60.0, **settings)
