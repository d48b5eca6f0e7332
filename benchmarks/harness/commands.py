"""Commands that people wait for: wall time from the start of a process to its end."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from harness.children import Ended, run_command

__all__ = ["CommandTimes", "measure_commands"]

_LIMIT_SECONDS = 60.0
_COMMANDS = {
    "general": ("--help", "merge three.csv --output merged.csv"),
    "requests": ("workload --help",),
    "scheduling": ("schedule --help",),
    "backends": (),
}
"""What each kind of measurement times besides; `merge` gets a file of three lines."""

_THREE_LINES = "run_id,round,client_id,num_examples\nr,1,client_1,50\nr,1,client_2,40\n"


@dataclass(frozen=True)
class CommandTimes:
    """A command's times.

    Attributes:
        command: as typed.
        seconds: wall time of each run, after one that warmed the file cache.
        peak_mb: most memory of a run, in MB (10⁶ bytes).
        failure: why it did not run; empty where it did.
    """

    command: str
    seconds: tuple[float, ...] = ()
    peak_mb: float = 0.0
    failure: str = ""

    @property
    def median_seconds(self) -> float:
        """The middle of its times."""
        return median(self.seconds)


def measure_commands(repeats: int, kinds: Sequence[str] = tuple(_COMMANDS)) -> list[CommandTimes]:
    """Time each command of some kinds.

    Args:
        repeats: timed runs of each, after one that is not.
        kinds: general, requests, scheduling.
    """
    with TemporaryDirectory(prefix="fedloom-bench-") as name:
        folder = Path(name)
        (folder / "three.csv").write_text(_THREE_LINES)
        commands = [command for kind in kinds for command in _COMMANDS[kind]]
        return [_measure(command.split(), folder, repeats) for command in commands]


def _measure(arguments: list[str], folder: Path, repeats: int) -> CommandTimes:
    typed = " ".join(["fedloom", *arguments])
    runs: list[Ended] = []
    for _ in range(repeats + 1):
        (folder / "merged.csv").unlink(missing_ok=True)
        program = str(Path(sys.executable).parent / "fedloom")
        runs.append(run_command([program, *arguments], limit_seconds=_LIMIT_SECONDS, folder=folder))
        if runs[-1].code != 0:
            last = (runs[-1].errors.strip().splitlines() or ["no word why"])[-1]
            return CommandTimes(typed, failure=f"exit code {runs[-1].code}: {last[:200]}")
    timed = runs[1:]
    return CommandTimes(typed, tuple(r.seconds for r in timed), max(r.peak_mb for r in timed))
