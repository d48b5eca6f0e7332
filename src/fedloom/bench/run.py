"""A run of a study: its folder, its cells in order, and what is kept of each."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

from fedloom.bench.cell_id import Cell
from fedloom.bench.manifest import write_manifest
from fedloom.bench.outcome import CellOutcome, CellStatus, read_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.provider import Provider
from fedloom.bench.run_lock import lock_run
from fedloom.bench.study import Study
from fedloom.bench.study_file import read_study, write_study
from fedloom.errors import FedloomError, InputError, NotFoundError, OutputError

__all__ = ["StudyRun", "choose_run", "find_newest_run", "name_run"]

_LOGGER = logging.getLogger("fedloom.bench")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Group: TypeAlias = tuple[str, int, int]
"""Backend, clients and repeat: cells that have their baselines in common."""


def name_run() -> str:
    """Return an id for a run that begins now: readable, and in the order of time."""
    return datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")


def choose_run(results: Path, run: str | None) -> RunPlace:
    """Return the place of a new run.

    Args:
        results: folder of all runs.
        run: its id; None takes one by the time.

    Raises:
        InputError: the id cannot be a folder's name.
    """
    if run is None:
        base = name_run()
        names = [base, *(f"{base}-{number}" for number in range(2, 100))]
        run = next((name for name in names if not (results / name).exists()), base)
    if not _NAME.fullmatch(run):
        raise InputError(f"run={run}: letters, digits, '.', '_' and '-' would be right")
    return RunPlace(results / run)


def find_newest_run(results: Path) -> RunPlace:
    """Return the run that was begun last.

    Raises:
        NotFoundError: there is none.
    """
    folders = results.iterdir() if results.is_dir() else ()
    found = [place for folder in folders if (place := RunPlace(folder)).study.is_file()]
    if not found:
        raise NotFoundError(f"no run is in {results}; begin one without --resume")
    return max(found, key=lambda place: (place.study.stat().st_mtime, place.path.name))


@dataclass
class StudyRun:
    """One run of a study; `opened` holds its folder, `carry_out` does the work.

    Attributes:
        study: what is carried out.
        place: its folder.
        after_cell: called with each new outcome; what it raises is logged and changes nothing.
        measure_group: called after the last cell of a backend, number of clients and repeat.
    """

    study: Study
    place: RunPlace
    after_cell: Callable[[CellOutcome], None] = lambda _: None
    measure_group: Callable[[Group], None] = lambda _: None
    warnings: list[str] = field(default_factory=list)

    @contextmanager
    def opened(self, *, resume: bool) -> Iterator[None]:
        """Hold the run's folder while the block runs; a new run writes its study.

        Args:
            resume: whether a run that is there already is wanted.

        Raises:
            OutputError: it is there and not wanted, in use, or cannot be written.
            InputError: it was begun as another study.
        """
        if not resume and self.place.study.exists():
            raise self._exists()
        with lock_run(self.place.path):
            if self.place.study.exists():
                if not resume:
                    raise self._exists()
                self._refuse_other()
            else:
                write_study(self.place.study, self.study)
            yield

    def outcomes(self) -> list[CellOutcome]:
        """Return how cells ended so far, in their order.

        Raises:
            DataError: one cannot be read.
        """
        found = [read_outcome(self.place.cell(cell).outcome) for cell in self.study.cells()]
        return [outcome for outcome in found if outcome is not None]

    def left(self) -> list[Cell]:
        """Return the cells without an outcome, in their order.

        Raises:
            DataError: an outcome cannot be read.
        """
        cells = self.study.cells()
        return [cell for cell in cells if read_outcome(self.place.cell(cell).outcome) is None]

    def carry_out(self, provider: Provider) -> list[CellOutcome]:
        """Carry out the cells that are left, and return all outcomes of the run.

        Raises:
            FedloomError: no cell can be carried out any more.
        """
        left = self.left()
        if left:
            with provider:
                for outcome in provider.carry_out(left):
                    self._finish(outcome, left)
        self._measure_groups(self.study.cells())
        write_manifest(self.place)
        return self.outcomes()

    def _finish(self, outcome: CellOutcome, left: Sequence[Cell]) -> None:
        self._guard(f"{outcome.cell} is not in MLflow", lambda: self.after_cell(outcome))
        group = (outcome.backend, outcome.clients, outcome.repeat)
        waiting = {_group(c) for c in left if read_outcome(self.place.cell(c).outcome) is None}
        if group not in waiting:
            self._measure_groups([c for c in self.study.cells() if _group(c) == group])
        write_manifest(self.place)

    def _measure_groups(self, cells: Iterator[Cell] | Sequence[Cell]) -> None:
        """Measure baselines of groups of which anything was learnt, where that was not done."""
        for group in dict.fromkeys(_group(cell) for cell in cells):
            members = [o for o in self.outcomes() if (o.backend, o.clients, o.repeat) == group]
            learnt = any(o.status is not CellStatus.FAILED for o in members)
            if learnt and not self.place.baselines(*group).exists():
                named = "baselines of {}, {} clients, repeat {}".format(*group)
                self._guard(f"{named} were not measured", partial(self.measure_group, group))

    def _guard(self, what: str, do: Callable[[], None]) -> None:
        """Let nothing that only accompanies a study end it."""
        try:
            do()
        except FedloomError as error:
            self.warnings.append(f"{what}: {error}")
            _LOGGER.warning("%s: %s", what, error)

    def _exists(self) -> OutputError:
        return OutputError(
            f"{self.place.path} exists already; --resume goes on with it, or choose another --run"
        )

    def _refuse_other(self) -> None:
        before = read_study(self.place.study)
        ours, theirs = self.study.model_dump(mode="json"), before.model_dump(mode="json")
        changed = [name for name in ours if ours[name] != theirs[name]]
        if changed:
            raise InputError(
                f"{self.place.path} was begun with other values of {', '.join(changed)}: take the "
                "same, or leave them out, or choose another --run"
            )


def _group(cell: Cell) -> Group:
    return cell.backend, cell.clients, cell.repeat
