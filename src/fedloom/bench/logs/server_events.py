"""What the log of a server tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fedloom.bench.logs.lines import LogLine

__all__ = ["Progress", "ServerEvents", "read_server_events"]

_NUMBER = r"[-+]?(?:inf|nan|\d[\d.]*(?:e[-+]?\d+)?)"
_ACCURACY = rf"{{'accuracy': ({_NUMBER})}}"
_PAIR = re.compile(rf"\((\d+), ({_NUMBER})\)", re.IGNORECASE)


@dataclass(frozen=True)
class Progress:
    """The score of a round's new weights.

    Attributes:
        loss: mean over the evaluation rows.
        accuracy: as it is written there.
        elapsed_s: seconds since the first round began.
        at: when it was written.
    """

    loss: float
    accuracy: float
    elapsed_s: float
    at: datetime


@dataclass
class ServerEvents:
    """One cell, by its server.

    Attributes:
        started: when the server started.
        rounds: how many were to be done.
        initial: loss and accuracy of the first weights.
        fit_begun: by round, when clients were about to train; the next three likewise.
        fit_ended: when they had.
        evaluate_begun: when clients were about to score.
        evaluate_ended: when they had.
        progress: by round.
        distributed_losses: by round; there only at the end.
        central_scores: by round; there only at the end.
        finished_s: how long all rounds took; None where the log does not come so far.
    """

    started: datetime | None = None
    rounds: int | None = None
    initial: tuple[float, float] | None = None
    fit_begun: dict[int, datetime] = field(default_factory=dict)
    fit_ended: dict[int, datetime] = field(default_factory=dict)
    evaluate_begun: dict[int, datetime] = field(default_factory=dict)
    evaluate_ended: dict[int, datetime] = field(default_factory=dict)
    progress: dict[int, Progress] = field(default_factory=dict)
    distributed_losses: dict[int, float] = field(default_factory=dict)
    central_scores: dict[int, float] = field(default_factory=dict)
    finished_s: float | None = None

    @property
    def last(self) -> datetime | None:
        """When its last round was done, as far as is known."""
        moments = [*self.evaluate_ended.values(), *(p.at for p in self.progress.values())]
        return max(moments, default=self.started)


def read_server_events(lines: Sequence[LogLine]) -> ServerEvents:
    """Gather what lines tell; of a message that stands there twice the later one counts."""
    events = ServerEvents()
    for line in lines:
        for pattern, note in _MESSAGES:
            if found := pattern.match(line.message):
                note(events, found, line.at)
                break
    return events


def _start(events: ServerEvents, found: re.Match[str], at: datetime) -> None:
    events.started, events.rounds = at, int(found[1])


def _initial(events: ServerEvents, found: re.Match[str], _: datetime) -> None:
    events.initial = float(found[1]), float(found[2])


def _mark(name: str) -> Callable[[ServerEvents, re.Match[str], datetime], None]:
    def note(events: ServerEvents, found: re.Match[str], at: datetime) -> None:
        getattr(events, name)[int(found[1])] = at

    return note


def _progress(events: ServerEvents, found: re.Match[str], at: datetime) -> None:
    loss, accuracy, elapsed = (float(found[i]) for i in (2, 3, 4))
    events.progress[int(found[1])] = Progress(loss, accuracy, elapsed, at)


def _finish(events: ServerEvents, found: re.Match[str], _: datetime) -> None:
    events.finished_s = float(found[1])


def _distributed(events: ServerEvents, found: re.Match[str], _: datetime) -> None:
    events.distributed_losses = _pairs(found[1])


def _scores(events: ServerEvents, found: re.Match[str], _: datetime) -> None:
    events.central_scores = _pairs(found[1])


def _pairs(text: str) -> dict[int, float]:
    return {int(number): float(value) for number, value in _PAIR.findall(text)}


_MESSAGES = tuple(
    (re.compile(pattern, re.IGNORECASE), note)
    for pattern, note in (
        (r"Starting Flower server, config: .*num_rounds=(\d+)", _start),
        (rf"initial parameters \(loss, other metrics\): ({_NUMBER}), {_ACCURACY}", _initial),
        (r"fit_round (\d+): strategy sampled", _mark("fit_begun")),
        (r"fit_round (\d+) received", _mark("fit_ended")),
        (r"evaluate_round (\d+): strategy sampled", _mark("evaluate_begun")),
        (r"evaluate_round (\d+) received", _mark("evaluate_ended")),
        (rf"fit progress: \((\d+), ({_NUMBER}), {_ACCURACY}, ({_NUMBER})\)", _progress),
        (rf"FL finished in ({_NUMBER})", _finish),
        (r"app_fit: losses_distributed (.*)", _distributed),
        (r"app_fit: metrics_centralized (.*)", _scores),
    )
)
