"""Whose machines a study runs on: what a provider is asked, and what it tells on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from fedloom.bench.cell_id import Cell
from fedloom.bench.outcome import CellOutcome
from fedloom.bench.study import Study

__all__ = ["CellNews", "Estimate", "Observer", "Provider", "Stage"]


class Stage(StrEnum):
    """How far a cell is."""

    STARTING = "starting"
    WAITING = "waiting for clients"
    LEARNING = "learning"


@dataclass(frozen=True)
class CellNews:
    """What a cell is about.

    Attributes:
        cell: which.
        stage: how far it is.
        round: the last that it finished.
    """

    cell: Cell
    stage: Stage
    round: int = 0


Observer: TypeAlias = Callable[[CellNews], None]
"""Told whenever a cell gets on; often, and at once."""


@dataclass(frozen=True)
class Estimate:
    """What a study would take.

    Attributes:
        seconds: for each cell, None where nothing is known of the like.
        cost_usd: of the machines, None where it cannot be known.
        notes: what else to know before it starts, each a sentence.
    """

    seconds: Mapping[Cell, float | None] = field(default_factory=dict)
    cost_usd: float | None = 0.0
    notes: Sequence[str] = ()

    @property
    def total_seconds(self) -> float | None:
        """Of all cells together; None where any is unknown."""
        known = [seconds for seconds in self.seconds.values() if seconds is not None]
        return sum(known) if len(known) == len(self.seconds) else None


class Provider(Protocol):
    """Starts the processes of cells somewhere; entered once, and left with nothing running."""

    def __enter__(self) -> Self:
        """Make ready what all cells share."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End everything that was started, also after an interrupt in the middle of a cell."""

    def carry_out(self, cells: Sequence[Cell]) -> Iterator[CellOutcome]:
        """Carry out cells one after the other; each outcome also lies in the cell's folder by then.

        A cell that fails or diverges is an outcome like others.

        Raises:
            FedloomError: no cell can be carried out any more; those without outcome are left.
        """

    def estimate(self, study: Study) -> Estimate:
        """Return what a study would take; nothing is started."""
