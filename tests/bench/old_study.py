"""Logs of the older study, written anew from its published figures.

Of each cell the table beside this file has the times, loads and accuracies that were read from the
original logs. Correct answers of the rounds in between are made up so that the recorded and the
corrected accuracy of the last round, and the best one, come out.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any

__all__ = ["LOST", "ROUNDS", "ROWS", "Figures", "read_figures", "write_old_study"]

ROWS, ROUNDS = 720, 10
ORDER = ("FedAvg", "FedAvgM", "FedAdaGrad", "FedAdam")
LOST = (("jax", "FedAdaGrad", 2), ("tensorflow", "FedAdam", 5))
ALONE = ("torch", "FedAdam", 5)
WAIT_S, BETWEEN_S = 120.0, 7.0


@dataclass(frozen=True)
class Figures:
    backend: str
    strategy: str
    clients: int
    total_s: float
    round_s: float
    fit_s: float
    evaluate_s: float
    validate_s: float
    cpu_fit: float
    cpu_evaluate: float
    recorded: float
    score: float
    best: float
    loss: float

    @property
    def key(self) -> tuple[str, str, int]:
        return self.backend, self.strategy, self.clients


def read_figures() -> list[Figures]:
    with Path(__file__).with_name("old_study.csv").open() as file:
        rows = [[_read(value) for value in row] for row in list(csv.reader(file))[1:]]
    return [Figures(*row) for row in rows]


def _read(value: str) -> Any:
    try:
        return int(value) if value.isdecimal() else float(value)
    except ValueError:
        return value


def write_old_study(folder: Path) -> None:
    figures = {cell.key: cell for cell in read_figures()}
    start = datetime(2023, 12, 4, 9, 0)
    for backend in ("jax", "tensorflow", "torch"):
        for clients in (2, 5, 8):
            _write_process(folder, [figures[backend, s, clients] for s in ORDER], start)
            start += timedelta(hours=8)


def _write_process(folder: Path, cells: Sequence[Figures], start: datetime) -> None:
    counts: list[int] = []
    for cell in cells:
        waited = WAIT_S if not counts else 0.0
        if cell.key == ALONE:
            counts, start, waited = [], start + timedelta(hours=1), WAIT_S
        counts += _find_counts(cell, counts)
        means = [done / k / ROWS for k, done in enumerate(accumulate(counts), start=1)]
        end = _write_cell(folder, cell, means[-ROUNDS - 1 :], start, waited)
        start = end + timedelta(seconds=BETWEEN_S)


def _find_counts(cell: Figures, before: Sequence[int]) -> list[int]:
    """Return the correct answers of 11 evaluations that give a cell's published figures."""
    best, last = round(cell.best * ROWS), round(cell.score * ROWS)
    whole = round((len(before) + ROUNDS + 1) * cell.recorded * ROWS) - sum(before)
    fixed = [last] if best == last else [best, last]
    places = ROUNDS - len(fixed)
    rest = max(whole - sum(fixed), 0)
    initial = min(max(rest - best * places, 72), rest)  # the best is one of a trained round
    even, more = divmod(min(rest - initial, best * places), places)
    return [initial] + [even + (i < more) for i in range(places)] + fixed


def _write_cell(
    folder: Path, cell: Figures, means: Sequence[float], start: datetime, waited: float
) -> datetime:
    place = folder / cell.backend / cell.strategy / str(cell.clients)
    place.mkdir(parents=True)
    moments: list[tuple[datetime, datetime]] = []
    lines, end = _server_lines(cell, means, start, waited, moments)
    (place / "server_log.log").write_text("".join(_line(cell, at, text) for at, text in lines))
    for number in range(cell.clients - (cell.key in LOST)):
        name = f"{number}a{cell.clients}f"
        text = "".join(_client_lines(cell, f"i-{name}", moments))
        (place / f"client_i_{name}_log.log").write_text(text)
    return end


def _server_lines(
    cell: Figures,
    means: Sequence[float],
    start: datetime,
    waited: float,
    moments: list[tuple[datetime, datetime]],
) -> tuple[list[tuple[datetime, str]], datetime]:
    n, now = cell.clients, start
    lines = [
        (now, "Starting Flower server, config: ServerConfig(num_rounds=10, round_timeout=None)"),
        (now, "Flower ECE: gRPC server running (10 rounds), SSL is disabled"),
        (now, "Evaluating initial parameters"),
        (now, f"initial parameters (loss, other metrics): 2.31, {{'accuracy': {means[0]}}}"),
        (now, "FL starting"),
    ]
    now += timedelta(seconds=waited)
    losses = [(0, 2.31)]
    for number in range(1, ROUNDS + 1):
        moments.append((now, now + timedelta(seconds=cell.fit_s + cell.evaluate_s)))
        lines.append((now, f"fit_round {number}: strategy sampled {n} clients (out of {n})"))
        now += timedelta(seconds=cell.fit_s)
        lines.append((now, f"fit_round {number} received {n} results and 0 failures"))
        now += timedelta(seconds=cell.evaluate_s)
        losses.append((number, cell.loss))
        elapsed = (now - start).total_seconds()
        told = f"({number}, {cell.loss}, {{'accuracy': {means[number]}}}, {elapsed})"
        lines.append((now, f"fit progress: {told}"))
        lines.append((now, f"evaluate_round {number}: strategy sampled {n} clients (out of {n})"))
        now += timedelta(seconds=cell.round_s - cell.fit_s - cell.evaluate_s)
        lines.append((now, f"evaluate_round {number} received {n} results and 0 failures"))
    scores = list(enumerate(means))
    lines += [
        (now, f"FL finished in {cell.total_s}"),
        (now, f"app_fit: losses_distributed {[(r, 3.0) for r in range(1, 11)]}"),
        (now, "app_fit: metrics_distributed_fit {}"),
        (now, f"app_fit: losses_centralized {losses}"),
        (now, f"app_fit: metrics_centralized {{'accuracy': {scores}}}"),
    ]
    return lines, now


def _client_lines(
    cell: Figures, instance: str, moments: Sequence[tuple[datetime, datetime]]
) -> Iterator[str]:
    start = moments[0][0]
    yield _line(cell, start, "Opened insecure gRPC connection (no certificates were passed)")
    yield _line(cell, start, "ChannelConnectivity.READY")
    for number, (fit, evaluate) in enumerate(moments):
        for work, at, percent in (
            ("fit", fit, cell.cpu_fit),
            ("evaluate", evaluate, cell.cpu_evaluate),
        ):
            moment = f"datetime.datetime({at.year}, {at.month}, {at.day}, {at.hour}, {at.minute}, "
            moment += f"{at.second}, {at.microsecond})"
            told = f"{{'timestamp': {moment}, 'cpu_utilization': {percent}}}"
            text = f"Instance {instance} : CPU usage history during {work}() : {told}"
            yield _line(cell, at, text)
            if number == 3 and instance.startswith("i-0"):  # a reconnection doubled it
                yield _line(cell, at, text)
    yield _line(cell, moments[-1][1], "Disconnect and shut down")


def _line(cell: Figures, at: datetime, message: str) -> str:
    time = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d}"
    return f"{cell.backend}-{cell.strategy}-run | INFO flwr {time} | app.py:162 | {message}\n"
