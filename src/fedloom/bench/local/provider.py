"""The local provider: cells one after the other, each in fresh processes on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from types import TracebackType
from typing import Self

from fedloom.bench.cell_id import Cell
from fedloom.bench.checks import check_backends
from fedloom.bench.estimate import estimate_seconds
from fedloom.bench.local.cell_run import CellRun
from fedloom.bench.outcome import CellOutcome
from fedloom.bench.places import RunPlace
from fedloom.bench.provider import Estimate, Observer
from fedloom.bench.study import FleetKind, Study
from fedloom.errors import MissingExtraError

__all__ = ["LocalProvider"]


class LocalProvider:
    """Processes on this machine; see `Provider` for the calls.

    Args:
        study: whose cells.
        place: of the run.
        observer: told how cells get on.

    Raises:
        MissingExtraError: a backend of the study is not installed.
    """

    def __init__(self, study: Study, place: RunPlace, observer: Observer = lambda _: None) -> None:
        check_backends(study)
        if study.fleet is FleetKind.RAY and find_spec("ray") is None:
            raise MissingExtraError("fleet 'ray'", "ray")
        self._study, self._place, self._observer = study, place, observer
        self._running: CellRun | None = None

    def __enter__(self) -> Self:
        """There is nothing that cells share."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes of a cell that was interrupted."""
        if self._running is not None:
            self._running.stop()

    def carry_out(self, cells: Sequence[Cell]) -> Iterator[CellOutcome]:
        """Carry out cells one after the other; see `Provider`.

        Raises:
            OutputError: not even an outcome can be written.
        """
        for cell in cells:
            self._running = CellRun(self._study, self._place, cell, self._observer)
            try:
                outcome = self._running.carry_out()
            finally:
                self._running.stop()
            yield outcome

    def estimate(self, study: Study) -> Estimate:
        """Return how long cells like these took before; this machine costs nothing."""
        return Estimate(estimate_seconds(study, self._place.path.parent), cost_usd=0.0)
