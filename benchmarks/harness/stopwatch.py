"""Timing of rounds, the same for engines that we drive and for those that own their loop."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from harness.assignment import DATA_FOLDER, Assignment
from harness.process_tree import measure_cpu_seconds, measure_peak_mb
from harness.reference import Weights, make_initial_weights, score_weights
from harness.rows import ClientRows, load_rows
from harness.workloads import CHECK_ROUND, Workload

__all__ = ["MARK", "BuildRound", "RoundEngine", "Stopwatch", "drive"]

MARK = "RESULT "
"""Begins the line of JSON that an engine prints; libraries write lines of their own."""


class RoundEngine(Protocol):
    """An engine that leaves the loop over rounds to its caller."""

    def run_round(self, cohort: Sequence[int]) -> None:
        """Shuffle, train, reduce, step; return when the new weights are there."""

    def weights(self) -> Weights:
        """Return the global weights in Keras's order and layout."""

    def close(self) -> None:
        """Release processes and threads."""


BuildRound = Callable[[Assignment, ClientRows, Weights], RoundEngine]


class Stopwatch:
    """Times rounds; reads processor time and memory outside of them.

    Made when imports are done and rows are in memory, before anything is built, compiled or
    started: the first round is counted from there.

    Args:
        assignment: what is measured.
        root: the process whose tree is measured; default this one.
    """

    def __init__(self, assignment: Assignment, root: int | None = None) -> None:
        self._assignment, self._root = assignment, root
        self._made = self._begun = time.perf_counter()
        self._durations: list[float] = []
        self._cpu_begun = 0.0
        self._check: Weights = []
        self._report: dict[str, Any] = {}

    @property
    def finished(self) -> bool:
        """Whether all rounds have been run."""
        return len(self._durations) >= self._assignment.total_rounds

    def start_round(self) -> None:
        """Begin to time a round; the first began when this stopwatch was made."""
        if self._durations:
            self._begun = time.perf_counter()

    def end_round(self, read_weights: Callable[[], Weights]) -> None:
        """End the round; what is done here is not timed."""
        self._durations.append(time.perf_counter() - self._begun)
        count = len(self._durations)
        if count == 1:
            self._report["launch_seconds"] = time.time() - self._assignment.launched
        if count == CHECK_ROUND:
            self._check = [array.copy() for array in read_weights()]
        if count == self._assignment.warm:
            self._cpu_begun = measure_cpu_seconds(self._root)
        if self.finished:
            timed = count - self._assignment.warm
            used = measure_cpu_seconds(self._root) - self._cpu_begun
            self._report["cpu_seconds"] = used / timed
            self._report["peak_mb"] = measure_peak_mb(self._root)

    def print_report(self, rows: ClientRows) -> None:
        """Score the weights of the check round and print the one line of JSON."""
        loss, accuracy = score_weights(self._assignment.workload.model, self._check, rows)
        self._report |= {
            "first_round_seconds": self._durations[0],
            "round_seconds": self._durations[self._assignment.warm :],
            "loss": loss,
            "accuracy": accuracy,
        }
        print(MARK + json.dumps(self._report), flush=True)


def drive(assignment: Assignment, build_round: BuildRound) -> None:
    """Run an engine that leaves the loop to us, with all clients in every cohort."""
    workload: Workload = assignment.workload
    rows = load_rows(workload, DATA_FOLDER)
    initial = make_initial_weights(workload.model)
    stopwatch = Stopwatch(assignment)
    engine = build_round(assignment, rows, initial)
    try:
        while not stopwatch.finished:
            stopwatch.start_round()
            engine.run_round(range(workload.clients))
            stopwatch.end_round(engine.weights)
    finally:
        engine.close()
    stopwatch.print_report(rows)
