"""Training and validating one client with a package: what goes in, what comes out, what went wrong.

Nothing that a package does raises here: a client that fails is an answer, and the round goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from threading import Event
from typing import Any

from fedloom.errors import PackageError
from fedloom.federation.fleet import Failure
from fedloom.federation.weights import Weights
from fedloom.files import output_errors
from fedloom.package.arrays import NotFiniteError
from fedloom.package.client_folder import ClientFolder
from fedloom.package.contract import PackageUpdate, read_metrics, read_update, write_input
from fedloom.package.environment import PackageEnvironment
from fedloom.package.project import Project
from fedloom.package.run import EntryPointRunner, Finished

__all__ = ["Fault", "PackageTrainer", "Trained", "Validated"]

_THREADS = "OMP_NUM_THREADS"

_KILLED_IN_SHELL = 128
"""A shell returns this and the number of the signal that ended its command."""


@dataclass(frozen=True)
class Fault:
    """Why a client gave nothing that can be used.

    Attributes:
        failure: how it counts.
        reason: one line.
        tail: the last lines that its command printed.
    """

    failure: Failure
    reason: str
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trained:
    """An update that is as agreed, and how long it took."""

    update: PackageUpdate
    seconds: float


@dataclass(frozen=True)
class Validated:
    """What a client says of some weights: the whole document, and the numbers in it by name."""

    document: Any
    scalars: Mapping[str, float]


@dataclass(frozen=True)
class PackageTrainer:
    """Runs a package's entry points for its clients.

    Attributes:
        project: the package.
        environment: in which its commands run.
        runner: what runs them, warm or cold.
        timeout_s: seconds that one call may take.
        threads: how many threads numeric libraries may take, where the user did not say.
    """

    project: Project
    environment: PackageEnvironment
    runner: EntryPointRunner
    timeout_s: float | None
    threads: int | None = None

    def start(self, folder: ClientFolder, *, log: Path, cancel: Event) -> Fault | None:
        """Run ``startup`` where the package has one; return what went wrong, if anything."""
        if "startup" not in self.project.entry_points:
            return None
        return _find_fault(self._run("startup", [], folder, log, cancel))

    def train(
        self,
        folder: ClientFolder,
        weights: Weights,
        settings: Mapping[str, Any],
        *,
        log: Path,
        cancel: Event,
    ) -> Trained | Fault:
        """Train a client from the global weights.

        Args:
            folder: of the client.
            weights: the global weights.
            settings: for the client; they lie beside the weights.
            log: takes what the command prints.
            cancel: stops it.

        Raises:
            OutputError: the weights cannot be handed over, or the log cannot be written.
        """
        with _exchange(folder) as place:
            given, out = place / "model.npz", place / "update.npz"
            write_input(weights, settings, given)
            finished = self._run("train", [given, out], folder, log, cancel)
            fault = _find_fault(finished)
            if fault is not None:
                return fault
            try:
                return Trained(read_update(out, weights), finished.seconds)
            except NotFiniteError as error:
                return Fault(Failure.DIVERGED, f"{error}; lower learning_rate", finished.tail)
            except PackageError as error:
                wrote = any(place.glob("update.npz*"))
                failure = Failure.REJECTED if wrote else Failure.ERROR
                return Fault(failure, str(error), finished.tail)

    def validate(
        self,
        folder: ClientFolder,
        weights: Weights,
        settings: Mapping[str, Any],
        *,
        log: Path,
        cancel: Event,
    ) -> Validated | Fault:
        """Let a client validate weights; arguments and errors as for `train`."""
        with _exchange(folder) as place:
            given, out = place / "model.npz", place / "validation.json"
            write_input(weights, settings, given)
            finished = self._run("validate", [given, out], folder, log, cancel)
            fault = _find_fault(finished)
            if fault is not None:
                return fault
            try:
                return Validated(*read_metrics(out))
            except PackageError as error:
                return Fault(Failure.REJECTED, str(error), finished.tail)

    def _run(
        self, name: str, arguments: Sequence[Path], folder: ClientFolder, log: Path, cancel: Event
    ) -> Finished:
        with output_errors(log):
            log.parent.mkdir(parents=True, exist_ok=True)
        return self.runner(
            self.project,
            name,
            arguments,
            environment=self.environment,
            variables=folder.variables() | self._limit_threads(),
            working_folder=folder.package,
            timeout_s=self.timeout_s,
            log=log,
            cancel=cancel,
        )

    def _limit_threads(self) -> dict[str, str]:
        """Clients that train abreast with all cores each would wait for one another."""
        if self.threads is None or os.environ.get(_THREADS):
            return {}
        return {_THREADS: str(self.threads)}


@contextmanager
def _exchange(folder: ClientFolder) -> Iterator[Path]:
    """Lend an empty folder for the files of one call, outside the client's own folders."""
    place = folder.project.with_name(f"{folder.project.name}_exchange")
    with output_errors(place):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _find_fault(finished: Finished) -> Fault | None:
    if finished.succeeded:
        return None
    if finished.timed_out or finished.cancelled:
        failure = Failure.TIMEOUT
    elif finished.exit_code < 0 or finished.exit_code == _KILLED_IN_SHELL + SIGKILL:
        failure = Failure.LOST
    else:
        failure = Failure.ERROR
    return Fault(failure, finished.explain(), finished.tail)
