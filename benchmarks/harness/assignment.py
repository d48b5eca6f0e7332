"""What an engine's process is told on its command line."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.workloads import CHECK_ROUND, Workload, find_workload

__all__ = ["DATA_FOLDER", "RESULTS_FOLDER", "Assignment", "parse_assignment"]

RESULTS_FOLDER = Path(__file__).resolve().parent.parent / "results"
DATA_FOLDER = RESULTS_FOLDER / "data"


@dataclass(frozen=True)
class Assignment:
    """One process's work.

    Attributes:
        workload: what to train.
        rounds: timed rounds.
        warm: rounds before them.
        cores: processes or actors an engine may keep busy.
        threads: threads within each.
        device: "cpu" or "cuda".
        layout: "plain", or "channels_last" where the engine can order images so.
        launched: when the process was started, in seconds since the epoch.
    """

    workload: Workload
    rounds: int
    warm: int
    cores: int
    threads: int
    device: str
    layout: str
    launched: float

    @property
    def total_rounds(self) -> int:
        """Rounds to run, at least `CHECK_ROUND`."""
        return max(self.rounds + self.warm, CHECK_ROUND)


def parse_assignment(arguments: Sequence[str] | None = None) -> Assignment:
    """Read the command line of an engine: a workload's name, then options."""
    parser = argparse.ArgumentParser(description="Run one engine on one workload.")
    parser.add_argument("workload", type=find_workload, help="name of the workload")
    parser.add_argument("--rounds", type=int, default=None, help="timed rounds")
    parser.add_argument("--warm", type=int, default=None, help="rounds before the timed ones")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--layout", choices=["plain", "channels_last"], default="plain")
    parser.add_argument("--launched", type=float, default=time.time())
    given = parser.parse_args(arguments)
    workload: Workload = given.workload
    return Assignment(
        workload=workload,
        rounds=given.rounds or workload.rounds,
        warm=given.warm or workload.warm,
        cores=given.cores,
        threads=given.threads,
        device=given.device,
        layout=given.layout,
        launched=given.launched,
    )
