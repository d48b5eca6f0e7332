"""What carries out a cell in one process: the fleet of its plan, measured as others are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from fedloom.bench.cell.fleet import CellFleet
from fedloom.bench.cell.history import History
from fedloom.experiment.assemble import assemble
from fedloom.experiment.assembly import Assembly
from fedloom.experiment.folder import RunFolder
from fedloom.experiment.plan import Plan
from fedloom.experiment.plan_file import digest_data
from fedloom.experiment.split import split_dataset

if TYPE_CHECKING:
    from fedloom.bench.logs import ServerLog

__all__ = ["WholeParts"]


class WholeParts:
    """Data, model and fleet of a cell; see `fedloom.experiment.parts.Parts` for the calls.

    Args:
        plan: of the cell; names the fleet.
        log: of the server.
        gathered: called when the fleet is ready.
    """

    def __init__(self, plan: Plan, log: ServerLog, gathered: Callable[[], None]) -> None:
        self.plan, self._log, self._gathered = plan, log, gathered
        self._split = split_dataset(plan)
        self.digest = digest_data(self._split.dataset)
        self.fleet: CellFleet | None = None

    @property
    def changed(self) -> str:
        """What to say where the digest differs from an earlier one."""
        return f"the rows of {self.plan.dataset} have changed"

    def assemble(self, plan: Plan, folder: RunFolder, *, going_on: bool) -> Assembly:
        """Build model and fleet.

        Raises:
            InputError: the plan does not fit the data, or an extra is missing.
            LinkError: the cluster cannot be reached.
        """
        made = assemble(plan, self._split)
        history = History.read(folder) if going_on else History()
        fleet = CellFleet(
            lambda _: made.fleet, made.fleet.evaluate, history, self._log, plan.run_id, whole=True
        )
        self.fleet = fleet
        try:
            self._log.start(plan.rounds)
            self._gathered()
            if history.initial_loss is None:
                fleet.score_initial(made.initial_weights)
        except BaseException:
            fleet.close()
            raise
        return replace(made, fleet=fleet, take_metrics=fleet.take_metrics)

    def close(self) -> None:
        """Do nothing: the fleet is closed by who carries out the run."""
