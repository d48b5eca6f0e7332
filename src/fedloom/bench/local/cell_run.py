"""One cell on this machine: the server first, then the clients, then the wait for the end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from time import monotonic, sleep

from fedloom.bench.cell.serve import WAIT_SECONDS
from fedloom.bench.cell_id import Cell
from fedloom.bench.local.child import Child
from fedloom.bench.outcome import CellOutcome, CellStatus, read_outcome, write_outcome
from fedloom.bench.places import CellPlace, RunPlace
from fedloom.bench.provider import CellNews, Observer, Stage
from fedloom.bench.study import FleetKind, Study
from fedloom.errors import DataError, RunFailedError
from fedloom.files import output_errors
from fedloom.fleet.cores import count_cores
from fedloom.learning.backend import limit_threads

__all__ = ["CellRun"]

_LOOK_SECONDS = 0.2
_READY_SECONDS = 180.0
_FAREWELL_SECONDS = 15.0
"""For clients to end by themselves once the server has."""

_LAST_WORDS_SECONDS = 5.0
"""For a server to say why, once a client of it has died."""


class CellRun:
    """The processes of one cell.

    Args:
        study: whose cell.
        run: place of the run.
        cell: which.
        observer: told how it gets on.
    """

    def __init__(self, study: Study, run: RunPlace, cell: Cell, observer: Observer) -> None:
        self._study, self._run, self._cell, self._observer = study, run, cell, observer
        self._place: CellPlace = run.cell(cell)
        self._plan = study.plan_of(cell)
        self._server: Child | None = None
        self._clients: list[Child] = []

    def carry_out(self) -> CellOutcome:
        """Carry out the cell and return how it ended; its clients have ended by then, too.

        Raises:
            OutputError: a file cannot be written.
        """
        started = datetime.now(UTC)
        try:
            self._start()
            outcome = self._wait()
        except (RunFailedError, DataError) as error:
            self.stop()
            outcome = self._read() or self._fail(str(error), started)
            write_outcome(self._place.outcome, outcome)
        for client in self._clients:
            client.wait(_FAREWELL_SECONDS)
        return outcome

    def stop(self) -> None:
        """End all processes; may be called twice."""
        children = [*self._clients, *([] if self._server is None else [self._server])]
        for child in children:
            child.ask()
        for child in children:
            child.stop()

    def _start(self) -> None:
        self._tell(Stage.STARTING)
        ready = self._place.path / ".ready"
        with output_errors(self._place.path):
            self._place.path.mkdir(parents=True, exist_ok=True)
            ready.unlink(missing_ok=True)
        arguments = [*self._common(), "--folder", str(self._place.path)]
        arguments += ["--ready-file", str(ready), "--limit-s", str(WAIT_SECONDS)]
        self._server = self._open("serve", arguments, "server", dict(os.environ))
        if self._study.fleet is FleetKind.RAY:
            return  # its clients are in lanes of the cluster
        until = monotonic() + _READY_SECONDS
        while not ready.exists():
            self._refuse_ended_server()
            if self._read() is not None:
                return
            if monotonic() > until:
                raise RunFailedError(f"the server was not ready after {_READY_SECONDS:g} s")
            sleep(_LOOK_SECONDS)
        self._start_clients(ready.read_text().strip())
        ready.unlink()

    def _start_clients(self, url: str) -> None:
        self._tell(Stage.WAITING)
        environment = dict(os.environ)
        if 2 * self._cell.clients > count_cores():
            environment = limit_threads(environment)
        for index in range(self._cell.clients):
            name = str(index + 1)
            log = self._place.client_log(name)
            arguments = [*self._common(), "--index", str(index), "--instance-id", name]
            arguments += ["--server", url, "--log", str(log)]
            self._clients.append(self._open("take_part", arguments, f"client_{name}", environment))

    def _wait(self) -> CellOutcome:
        """Wait until the server has ended, and return what it has left."""
        until = monotonic() + self._most_seconds()
        while True:
            outcome = self._read()
            if outcome is not None and self._server is not None:
                self._server.wait(_FAREWELL_SECONDS)
                return outcome
            self._refuse_ended_server()
            self._refuse_lost_client()
            if monotonic() > until:
                raise RunFailedError(f"it was not over after {self._most_seconds():g} s")
            self._tell(Stage.LEARNING)
            sleep(_LOOK_SECONDS)

    def _refuse_ended_server(self) -> None:
        server = self._server
        if server is not None and server.exit_code is not None and self._read() is None:
            raise RunFailedError(f"the server {server.describe_end()}")

    def _refuse_lost_client(self) -> None:
        """End a cell of which a client has died: its server would wait for it for long."""
        for number, client in enumerate(self._clients, start=1):
            if client.exit_code not in (None, 0):
                if self._server is not None:
                    self._server.wait(_LAST_WORDS_SECONDS)
                raise RunFailedError(f"client_{number} {client.describe_end()}")

    def _most_seconds(self) -> float:
        """Return more than the limits of all waits in the server together."""
        return WAIT_SECONDS + 3 * self._plan.client_timeout_s * self._plan.rounds

    def _common(self) -> Sequence[str]:
        study, run = str(self._run.study), self._run.path.name
        return ["--study", study, "--run", run, "--cell", self._cell.id]

    def _open(
        self, module: str, arguments: Sequence[str], name: str, environment: dict[str, str]
    ) -> Child:
        own = {"KERAS_BACKEND": self._cell.backend, "PYTHONUNBUFFERED": "1"}
        output = self._place.path / "output" / f"{name}.txt"
        return Child(f"fedloom.bench.cell.{module}", arguments, output, {**environment, **own})

    def _read(self) -> CellOutcome | None:
        return read_outcome(self._place.outcome)

    def _fail(self, reason: str, started: datetime) -> CellOutcome:
        from fedloom.bench.cell.history import History

        found, cell = History.read(self._place.records), self._cell
        return CellOutcome(
            run=self._run.path.name,
            cell=cell.id,
            backend=cell.backend,
            strategy=cell.strategy,
            clients=cell.clients,
            repeat=cell.repeat,
            seed=self._plan.seed,
            status=CellStatus.FAILED,
            reason=" ".join(reason.split()),
            rounds=found.rounds,
            started=started.isoformat(timespec="seconds"),
            seconds=found.seconds,
            target_score=self._study.target_score,
            target_seconds=found.seconds_to(self._study.target_score),
        )

    def _tell(self, stage: Stage) -> None:
        done = 0
        if stage is Stage.LEARNING:
            table = self._place.records.round_csv
            done = max(0, table.read_bytes().count(b"\n") - 1) if table.exists() else 0
            stage = Stage.LEARNING if done else Stage.WAITING
        self._observer(CellNews(self._cell, stage, done))
