"""What carries out one run, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedloom.experiment.described import Described
from fedloom.federation.algorithm import Algorithm
from fedloom.federation.fleet import Fleet
from fedloom.federation.loop import LoopSettings
from fedloom.federation.weights import Weights

if TYPE_CHECKING:
    from fedloom.fleet.package.reports import ClientReport
    from fedloom.records.schema import MetricRecord

__all__ = ["Assembly"]


@dataclass(frozen=True)
class Assembly:
    """What carries out one run.

    Attributes:
        algorithm: what clients and server do.
        fleet: where the clients are; the holder closes it.
        settings: what the loop needs to know.
        initial_weights: what the first round starts from.
        resolved: what was chosen for what the plan leaves open.
        described: what records say about data and model.
        take_reports: gives what clients reported in the last round, where they report anything.
        seed_file: the first weights as a file that the run's folder is to keep, or None.
        take_metrics: gives further numbers about a round that has just ended, where anyone
            measures any.
    """

    algorithm: Algorithm
    fleet: Fleet
    settings: LoopSettings
    initial_weights: Weights
    resolved: dict[str, Any]
    described: Described
    take_reports: Callable[[], Sequence[ClientReport]] | None = None
    seed_file: Path | None = None
    take_metrics: Callable[[int], Sequence[MetricRecord]] | None = None
