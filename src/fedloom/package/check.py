"""Checking a package: its whole contract, once, from the project file to the metrics."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

from fedloom.errors import FedloomError
from fedloom.package.environment import PackageEnvironment, prepare_environment
from fedloom.package.project import Project, read_project
from fedloom.package.seed import find_seed
from fedloom.package.trial import WITH_MODEL, try_entry_point

__all__ = ["CheckStep", "StepState", "check_package"]

_TAIL_LINES = 8


class StepState(StrEnum):
    """How a step of a check went."""

    OK = "ok"
    FAILED = "failed"
    ABSENT = "absent"  # the package does without it
    SKIPPED = "skipped"  # for want of a step before


@dataclass(frozen=True)
class CheckStep:
    """A step of a check.

    Attributes:
        name: what was looked at, such as "environment" or "train".
        state: how it went.
        seconds: how long it took.
        detail: what was found, or why it failed, in one line.
        tail: where it failed, the last lines that it printed.
        warnings: one line each for what works and should be mended.
    """

    name: str
    state: StepState
    seconds: float = 0.0
    detail: str = ""
    tail: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check_package(
    folder: Path,
    *,
    seed: Path | None = None,
    offline: bool = False,
    timeout_s: float | None = None,
    on_output: Callable[[str], None] | None = None,
) -> Iterator[CheckStep]:
    """Go through a package's contract and yield each step as it is done.

    The entry points run in the package's folder, as they do for a client: `build` replaces the seed
    model, `startup` may fetch data. What `train`, `validate` and `predict` are given and leave lies
    in a folder that is removed again.

    Args:
        folder: the package.
        seed: a model to train on; by default the one that `build` writes, or has written.
        offline: whether to make the environment without the network.
        timeout_s: seconds that each entry point may take.
        on_output: called with each line of output.
    """
    with TemporaryDirectory(prefix="fedloom-check-") as scratch:
        check = _Check(Path(scratch), seed, timeout_s, on_output)
        yield (step := check.read(folder))
        if step.state is StepState.OK:
            yield (step := check.prepare(offline))
        if step.state is StepState.OK:
            yield from check.run_all()


class _Check:
    """What a check has found so far."""

    project: Project
    environment: PackageEnvironment

    def __init__(
        self,
        scratch: Path,
        seed: Path | None,
        timeout_s: float | None,
        on_output: Callable[[str], None] | None,
    ) -> None:
        self._model, self._update = scratch / "model.npz", scratch / "update.npz"
        self._metrics = scratch / "metrics.json"
        self._seed, self._timeout_s, self._on_output = seed, timeout_s, on_output
        self._lines: deque[str] = deque(maxlen=_TAIL_LINES)

    def read(self, folder: Path) -> CheckStep:
        def look() -> tuple[str, tuple[str, ...]]:
            self.project = read_project(folder)
            return str(self.project.file), self.project.warnings

        return self._do("project file", look)

    def prepare(self, offline: bool) -> CheckStep:
        def make() -> tuple[str, tuple[str, ...]]:
            self.environment = prepare_environment(
                self.project, offline=offline, on_line=self._take
            )
            return str(self.environment.folder or self.environment.python), ()

        return self._do("environment", make)

    def run_all(self) -> Iterator[CheckStep]:
        """Run the entry points; after one that others build on failed, these are skipped."""
        begun = time.time()
        built = self._run("build")
        yield built
        if built.state is not StepState.FAILED:
            # File times are coarser than the clock.
            yield (built := self._take_seed(begun - 2 if built.state is StepState.OK else 0.0))
        yield (started := self._run("startup"))
        broken = next((s.name for s in (built, started) if s.state is StepState.FAILED), None)
        for name in WITH_MODEL:
            if broken and (name in self.project.entry_points or name == "train"):
                yield CheckStep(name, StepState.SKIPPED, detail=f"because {broken} failed")
            else:
                yield self._run(name)

    def _take_seed(self, since: float) -> CheckStep:
        def copy() -> tuple[str, tuple[str, ...]]:
            seed = self._seed or find_seed(self.project, since=since)
            shutil.copyfile(seed, self._model)
            return str(seed), ()

        return self._do("seed model", copy)

    def _run(self, name: str) -> CheckStep:
        if name not in self.project.entry_points and name != "train":
            return CheckStep(name, StepState.ABSENT, detail="not in the project file")

        def attempt() -> tuple[str, tuple[str, ...]]:
            updated = name != "train" and self._update.is_file()
            trial = try_entry_point(
                self.project,
                name,
                self.environment,
                model=self._update if updated else self._model,
                output=self._update if name == "train" else self._metrics,
                timeout_s=self._timeout_s,
                on_output=self._take,
            )
            self._metrics.unlink(missing_ok=True)
            return trial.left.partition(": ")[2], trial.warnings

        return self._do(name, attempt)

    def _do(self, name: str, work: Callable[[], tuple[str, tuple[str, ...]]]) -> CheckStep:
        self._lines.clear()
        begun = time.perf_counter()
        try:
            detail, warnings = work()
        except (FedloomError, OSError) as error:
            seconds = time.perf_counter() - begun
            return CheckStep(name, StepState.FAILED, seconds, str(error), tuple(self._lines))
        return CheckStep(name, StepState.OK, time.perf_counter() - begun, detail, warnings=warnings)

    def _take(self, line: str) -> None:
        self._lines.append(line)
        if self._on_output is not None:
            self._on_output(line)
