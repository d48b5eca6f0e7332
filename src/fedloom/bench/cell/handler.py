"""What a client of a cell does with orders: train, score, measure; and refuse those of others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Literal

from fedloom.bench.cell.belonging import Belonging
from fedloom.bench.cell.usage import Meter, Usage
from fedloom.federation.fleet import Failure
from fedloom.fleet.flower.messages import (
    Answer,
    Describe,
    Description,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Forget,
    Request,
    Train,
    Trained,
)

if TYPE_CHECKING:
    from fedloom.bench.logs import ClientLog
    from fedloom.fleet.flower.node.handler import Handler

__all__ = ["CellHandler"]


class CellHandler:
    """Measures what another handler does, for one cell alone; see `Handler`.

    Args:
        name: of the client.
        belonging: the cell it is of.
        inner: trains and scores.
        log: takes what was used.
        over: called when the cell has ended.
    """

    def __init__(
        self,
        name: str,
        belonging: Belonging,
        inner: Handler,
        log: ClientLog,
        over: Callable[[], None],
    ) -> None:
        self._name, self._belonging, self._inner = name, belonging, inner
        self._log, self._over, self._meter = log, over, Meter()

    def handle(self, request: Request, stop: Event) -> Answer:
        """Carry out one request."""
        if isinstance(request, Forget):
            if request.task == self._belonging.task:
                self._over()
            return self._inner.handle(request, stop)
        if not isinstance(request, Describe | Train | Evaluate):
            return Done()
        if fault := self._belonging.find_fault(request.settings):
            if isinstance(request, Describe):
                return Description(self._name, takes_part=False, reason=fault)
            return Failed(Failure.REJECTED, fault)
        if isinstance(request, Train):
            return self._train(request, stop)
        if isinstance(request, Evaluate):
            return self._evaluate(request, stop)
        return self._inner.handle(request, stop)

    def close(self) -> None:
        """Drop the model."""
        self._inner.close()

    def _train(self, request: Train, stop: Event) -> Answer:
        with self._meter.measure() as usage:
            answer = self._inner.handle(request, stop)
        self._note("fit", request.round, usage)
        if not isinstance(answer, Trained):
            return answer
        return replace(answer, metrics={**answer.metrics, **usage.numbers("fit_seconds")})

    def _evaluate(self, request: Evaluate, stop: Event) -> Answer:
        with self._meter.measure() as usage:
            answer = self._inner.handle(request, stop)
        self._note("evaluate", request.round, usage)
        if not isinstance(answer, Evaluated):
            return answer
        return replace(answer, scalars={**answer.scalars, **usage.numbers("evaluate_seconds")})

    def _note(self, work: Literal["fit", "evaluate"], number: int, usage: Usage) -> None:
        self._log.used(work, number, usage.machine_cpu_percent, usage.began, usage.seconds)
