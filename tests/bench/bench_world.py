"""Small studies, and cells of them carried out inside of a test's own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import psutil

from fedloom.bench import Cell, CellOutcome, CellPlace, CellStatus, Study
from fedloom.bench.cell.belonging import Belonging
from fedloom.bench.cell.client import CellClient, load_framework
from fedloom.bench.cell.server import CellServer
from fedloom.bench.outcome import read_outcome, write_outcome
from fedloom.bench.places import RunPlace
from fedloom.bench.provider import CellNews, Estimate, Observer, Stage
from fedloom.bench.study_file import make_study

LIMIT_S = 600.0
"""More than anything takes on a busy machine with two cores."""

SMALL: Mapping[str, Any] = {
    "n_client_instances": (2,),
    "strategy": ("FedAvg",),
    "num_rounds": 2,
    "plan": {
        "dataset": "digits",
        "model": "logistic",
        "sample_size": 400,
        "learning_rate": 0.05,
    },
}


def small_study(**options: Any) -> Study:
    """Return a study whose cells take a second, but for what `options` say otherwise."""
    plan = {**SMALL["plan"], **options.pop("plan", {})}
    return make_study({**SMALL, **options, "plan": plan})


def run_cell(
    study: Study,
    folder: Path,
    cell: Cell | None = None,
    *,
    run: str = "test",
    clients_of: str = "test",
    wait_s: float = LIMIT_S,
    certificates: Path | None = None,
) -> CellOutcome:
    """Carry out a cell with its server and its clients in threads of this process."""
    cell = cell or next(study.cells())
    load_framework(cell.backend)  # threads that import it at the same time disturb each other
    ready = folder / ".ready"
    folder.mkdir(parents=True, exist_ok=True)
    ready.unlink(missing_ok=True)
    server = CellServer(study, run, cell, CellPlace(folder), wait_s=wait_s)
    serving = Thread(
        target=server.carry_out, args=("127.0.0.1:0", certificates, ready), daemon=True
    )
    serving.start()
    wait_for(lambda: ready.exists() or not serving.is_alive())
    authority = None if certificates is None else certificates / "ca.pem"
    joined = [
        join_cell(study, cell, index, ready, folder, clients_of, authority)
        for index in range(cell.clients)
    ]
    serving.join(LIMIT_S)
    assert not serving.is_alive()
    for client in joined:
        client.join(LIMIT_S)
        assert not client.is_alive()
    outcome = read_outcome(CellPlace(folder).outcome)
    assert outcome is not None
    return outcome


def join_cell(
    study: Study,
    cell: Cell,
    index: int,
    ready: Path,
    folder: Path,
    run: str,
    authority: Path | None,
) -> Thread:
    """Let a client take part, in a thread."""

    def take_part() -> None:
        client = CellClient(
            study.plan_of(cell),
            Belonging(run, cell.id),
            index,
            server=ready.read_text().strip(),
            authority=authority,
        )
        name = str(index + 1)
        with suppress(Exception):  # the server ended: its outcome says why
            client.run(CellPlace(folder).client_log(name), name, cell, away_s=5.0)

    thread = Thread(target=take_part, daemon=True)
    thread.start()
    return thread


def wait_for(what: Any, *, within_s: float = LIMIT_S) -> None:
    """Wait until something is so."""
    until = monotonic() + within_s
    while not what():
        assert monotonic() < until, "it did not happen in time"
        sleep(0.05)


class FakeProvider:
    """A provider that runs nothing: cells end as they are told to."""

    def __init__(
        self,
        study: Study,
        place: RunPlace,
        observer: Observer = lambda _: None,
        *,
        ends: Mapping[str, CellStatus] = {},
        dies_before: str = "",
    ) -> None:
        self.study, self.place, self.observer = study, place, observer
        self.ends, self.dies_before = ends, dies_before
        self.carried_out: list[str] = []
        self.entered = 0

    def __enter__(self) -> FakeProvider:
        self.entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.entered -= 1

    def carry_out(self, cells: Sequence[Cell]) -> Iterator[CellOutcome]:
        for cell in cells:
            if cell.id == self.dies_before:
                raise KeyboardInterrupt
            self.carried_out.append(cell.id)
            self.observer(CellNews(cell, Stage.LEARNING, 1))
            outcome = outcome_of(cell, self.place, self.ends.get(cell.id, CellStatus.FINISHED))
            write_outcome(self.place.cell(cell).outcome, outcome)
            yield outcome

    def estimate(self, study: Study) -> Estimate:
        return Estimate(dict.fromkeys(study.cells()))


def outcome_of(cell: Cell, place: RunPlace, status: CellStatus, **more: Any) -> CellOutcome:
    return CellOutcome(
        **{
            "run": place.path.name,
            "cell": cell.id,
            "backend": cell.backend,
            "strategy": cell.strategy,
            "clients": cell.clients,
            "repeat": cell.repeat,
            "seed": 42,
            "status": status,
            "rounds": 2,
            "seconds": 10.0,
            "ready_seconds": 3.0,
            **more,
        }
    )


@contextmanager
def program(*words: str, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start `fedloom` as a process of its own in a folder; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fedloom", *words],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


def find_processes(word: str) -> list[psutil.Process]:
    """Return the processes whose command line or environment's folder has a word in it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            if any(word in part for part in process.cmdline()):
                found.append(process)
    return found
