"""Where a study's results lie.

``federated-learning-results/<run>/<backend>/<strategy>/<n>/`` holds a cell's first repeat, and its
folders ``repeat-2``, ``repeat-3``, … the further ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedloom.bench.cell_id import Cell
from fedloom.experiment.folder import RunFolder

__all__ = ["RESULTS", "CellPlace", "RunPlace"]

RESULTS = "federated-learning-results"
"""The folder of all runs, in the working directory unless another is named."""


@dataclass(frozen=True)
class CellPlace:
    """The files of one cell.

    Attributes:
        path: its folder.
    """

    path: Path

    @property
    def outcome(self) -> Path:
        """How it ended: a `fedloom.bench.outcome.CellOutcome` as JSON; written last."""
        return self.path / "cell.json"

    @property
    def records(self) -> RunFolder:
        """Records, metrics, weights and checkpoint, as every run of Fedloom leaves them."""
        return RunFolder(self.path / "records.csv")

    @property
    def server_log(self) -> Path:
        """What the server logged."""
        return self.path / "server_log.log"

    def client_log(self, client: str, *, on_ec2: bool = False) -> Path:
        """Return where a client's log lies; on EC2 `client` is an instance id less its ``i-``."""
        return self.path / f"client_{'i_' if on_ec2 else ''}{client}_log.log"


@dataclass(frozen=True)
class RunPlace:
    """The files of one run of a study.

    Attributes:
        path: its folder; the last part of it is the run's id.
    """

    path: Path

    @property
    def study(self) -> Path:
        """The study, as YAML."""
        return self.path / "study.yaml"

    @property
    def manifest(self) -> Path:
        """Every file with its size and SHA-256."""
        return self.path / "manifest.json"

    @property
    def report(self) -> Path:
        """The HTML page."""
        return self.path / "report.html"

    def baselines(self, backend: str, clients: int, repeat: int = 1) -> Path:
        """Return where the scores without federated learning lie."""
        suffix = "" if repeat == 1 else f"-r{repeat}"
        return self.path / backend / f"baselines-{clients}{suffix}.json"

    def cell(self, cell: Cell) -> CellPlace:
        """Return where a cell's files lie."""
        folder = self.path / cell.backend / cell.strategy / str(cell.clients)
        return CellPlace(folder if cell.repeat == 1 else folder / f"repeat-{cell.repeat}")
