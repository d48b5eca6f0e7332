"""A run that has been carried out: its tables, its weights, its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fedloom.experiment.folder import RunFolder
from fedloom.experiment.plan import Plan, make_plan
from fedloom.experiment.plan_file import read_options
from fedloom.experiment.weights_store import WeightsStore
from fedloom.federation.weights import Weights

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Run", "open_run"]


class Run:
    """One execution of a plan, with its folder.

    Args:
        plan: what determined it.
        folder: where its results lie.
        started_after: the last round that earlier calls had finished; 0 for a new run.
    """

    def __init__(self, plan: Plan, folder: RunFolder, *, started_after: int = 0) -> None:
        self.plan = plan
        self.started_after = started_after
        self._folder = folder

    def __repr__(self) -> str:
        return f"Run({self.run_id!r}, folder={str(self.path)!r})"

    @property
    def run_id(self) -> str:
        """Digest of the plan."""
        return self.plan.run_id

    @property
    def path(self) -> Path:
        """The run's folder; temporary if the run was given no output."""
        return self._folder.path

    @property
    def client_csv(self) -> Path:
        """The table of clients that was asked for."""
        return self._folder.client_csv

    @property
    def clients(self) -> pl.DataFrame:
        """The table of clients: one row per client and round (see docs/records.md)."""
        from fedloom.records import read_records

        return read_records(self.path)

    @property
    def rounds(self) -> pl.DataFrame:
        """The table of rounds: one row per round."""
        from fedloom.records import read_rounds

        return read_rounds(self.path)

    @property
    def metrics(self) -> pl.DataFrame:
        """The table of metrics: one row per number that a package's client reported.

        It has no rows where the clients are no packages.
        """
        from fedloom.records import read_metrics

        return read_metrics(self.path)

    def weights(self, round: int, client_id: str | None = None) -> Weights:  # noqa: A002
        """Return the global weights after a round, or those a client ended it with.

        Args:
            round: counted from 1.
            client_id: a client's name; None for the global weights.

        Raises:
            DataError: those weights do not exist or were not kept.
        """
        return WeightsStore(self._folder.weights, ()).read(round, client_id)

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report, one HTML page that needs nothing else, and return where it is.

        Args:
            path: the file; None writes ``report.html`` into the run's folder.
        """
        from fedloom.page import RunTables, write_report

        target = self._folder.report if path is None else Path(path)
        tables = RunTables(self.path.name, self.clients, self.rounds, self.metrics)
        write_report([tables], target)
        return target


def open_run(path: str | Path) -> Run:
    """Return a finished or interrupted run.

    Args:
        path: its folder, or its table of clients beside that.

    Raises:
        DataError: no run is there.

    Example:
        >>> import fedloom
        >>> fedloom.open_run("outputs/runs/clients.csv").rounds  # doctest: +SKIP
    """
    folder = RunFolder(Path(path).with_suffix(".csv"))
    return Run(make_plan(read_options(folder.plan_file)), folder)
