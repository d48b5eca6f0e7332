"""The performance study: one experiment over backends, strategies, numbers of clients, machines."""

from fedloom.bench.cell_id import Cell
from fedloom.bench.outcome import CellOutcome, CellStatus
from fedloom.bench.places import CellPlace, RunPlace
from fedloom.bench.study import ProviderName, Study

__all__ = ["Cell", "CellOutcome", "CellPlace", "CellStatus", "ProviderName", "RunPlace", "Study"]
