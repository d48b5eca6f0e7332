"""One cell from its beginning to its outcome, as its server sees it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from math import inf
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from fedloom.bench.cell.belonging import Belonging
from fedloom.bench.cell.divergence import DivergedError, refuse_divergence
from fedloom.bench.cell.doorway import Doorway, open_doorway
from fedloom.bench.cell.history import History
from fedloom.bench.cell.server_parts import ServerParts
from fedloom.bench.cell.whole_parts import WholeParts
from fedloom.bench.cell_id import Cell
from fedloom.bench.outcome import CellOutcome, CellStatus, write_outcome
from fedloom.bench.places import CellPlace
from fedloom.bench.study import FleetKind, Study
from fedloom.errors import FedloomError, OutputError, RunFailedError
from fedloom.experiment.folder import RunFolder
from fedloom.experiment.plan import Plan
from fedloom.experiment.simulate import carry_out_parts
from fedloom.files import output_errors, write_text
from fedloom.records import RoundRecord

if TYPE_CHECKING:
    from fedloom.bench.logs import ServerLog

__all__ = ["CellServer"]

_LOGGER = logging.getLogger("fedloom.bench")


class CellServer:
    """The server of one cell.

    Args:
        study: whose cell.
        run: id of the run.
        cell: which.
        place: where everything goes.
        wait_s: seconds that the clients may take to come.
    """

    def __init__(
        self, study: Study, run: str, cell: Cell, place: CellPlace, *, wait_s: float
    ) -> None:
        self._study, self._run, self._cell, self._place = study, run, cell, place
        self._plan, self._wait_s = study.plan_of(cell), wait_s
        self._started, self._began = datetime.now(UTC), perf_counter()
        self._ready_seconds = 0.0
        self._parts: ServerParts | WholeParts | None = None

    def carry_out(self, listen: str, certificates: Path | None, ready_file: Path | None) -> None:
        """Carry out the cell, and write how it ended, last of all.

        Args:
            listen: host and port.
            certificates: for TLS, or None.
            ready_file: gets the address once clients may come.

        Raises:
            OutputError: not even the outcome can be written.
        """
        from fedloom.bench.logs import ServerLog

        with output_errors(self._place.path):
            self._place.path.mkdir(parents=True, exist_ok=True)
        log = ServerLog(self._place.server_log, self._cell.backend, self._cell.strategy)
        status, reason = CellStatus.FINISHED, ""
        try:
            if self._study.fleet is FleetKind.FLOWER:
                with open_doorway(listen, self._place.path / ".server", certificates) as doorway:
                    if ready_file is not None:
                        write_text(ready_file, f"{doorway.url}\n")
                    self._learn(partial(self._over_flower, doorway, log), log)
            else:
                self._learn(lambda: WholeParts(self._plan, log, self._note_ready), log)
        except FedloomError as error:
            status, reason = self._judge(error), " ".join(str(error).split())
            _LOGGER.error("%s: %s", status, reason)
        write_outcome(self._place.outcome, self._describe(status, reason))

    def _over_flower(self, doorway: Doorway, log: ServerLog) -> ServerParts:
        belonging = Belonging(self._run, self._cell.id)
        return ServerParts(self._plan, belonging, doorway, log, self._wait_s, self._note_ready)

    def _learn(self, open_parts: Callable[[], ServerParts | WholeParts], log: ServerLog) -> None:
        folder = self._place.records
        resume = _prepare(folder)
        parts = self._parts = open_parts()
        carry_out_parts(parts, folder, resume=resume, observer=self._observe)
        found = History.read(folder)
        log.end(
            found.seconds,
            list(found.series("validate", "loss").items()),
            list(found.series("evaluate", "loss").items()),
            list(found.series("evaluate", "score").items()),
        )

    def _note_ready(self) -> None:
        self._ready_seconds = perf_counter() - self._began

    def _observe(self, record: RoundRecord, _: Plan) -> None:
        """End the cell where its weights have diverged; the round itself is written by now."""
        first = History.read(self._place.records).initial_loss
        refuse_divergence(record.round, record.global_loss, inf if first is None else first)

    def _judge(self, error: FedloomError) -> CellStatus:
        if isinstance(error, OutputError):
            raise error
        fleet = None if self._parts is None else self._parts.fleet
        stepping = isinstance(error, RunFailedError) and fleet is not None and fleet.stepping
        if isinstance(error, DivergedError) or stepping:
            return CellStatus.DIVERGED
        return CellStatus.FAILED

    def _describe(self, status: CellStatus, reason: str) -> CellOutcome:
        found, target = History.read(self._place.records), self._study.target_score
        cell = self._cell
        return CellOutcome(
            run=self._run,
            cell=cell.id,
            backend=cell.backend,
            strategy=cell.strategy,
            clients=cell.clients,
            repeat=cell.repeat,
            seed=self._plan.seed,
            status=status,
            reason=reason,
            rounds=found.rounds,
            started=self._started.isoformat(timespec="seconds"),
            seconds=found.seconds,
            ready_seconds=self._ready_seconds,
            target_score=target,
            target_seconds=found.seconds_to(target),
        )


def _prepare(folder: RunFolder) -> bool:
    """Return whether the cell goes on; what a death before the first round left is removed."""
    if folder.plan_file.exists() and folder.checkpoint.exists():
        return True
    if folder.exists():
        folder.remove()
    return False
