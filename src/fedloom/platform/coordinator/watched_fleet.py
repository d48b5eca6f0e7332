"""A fleet that stops when its task is to stop; the loop itself knows nothing of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedloom.federation.fleet import Client, Evaluation, Order, Reply
from fedloom.federation.reduce import Reducer
from fedloom.federation.weights import Weights
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.platform.coordinator.interruption import Interruption
from fedloom.platform.coordinator.quorum import count_quorum, refuse_too_few
from fedloom.platform.coordinator.repeating import Repeating, is_worth_repeating
from fedloom.platform.coordinator.task_log import TaskLog

__all__ = ["WatchedFleet"]

_MOST_TOLD = 20
"""Clients of a round whose output is logged; with hundreds, the others say the same."""


class WatchedFleet:
    """Looks before and after each call whether to go on; see `fedloom.federation.fleet.Fleet`.

    What a round gave that was called off on its way is thrown away: it is not the round's result.
    A round with too few updates because nodes went away is repeated when they are back.

    Args:
        fleet: where the clients are.
        interruption: asked for by whoever watches the task.
        quorum: updates that make a round count: a number, a share of the cohort, None for one.
        may_be_empty: whether a round without any cohort counts, as random joining brings it about.
        log: of the task; takes what failing commands printed, and for whom is waited.
        wait_s: seconds that nodes are waited for which went away in a round; see `Repeating`.
    """

    def __init__(
        self,
        fleet: FlowerFleet,
        interruption: Interruption,
        quorum: int | float | None = None,
        *,
        may_be_empty: bool = False,
        log: TaskLog | None = None,
        wait_s: float = 0.0,
    ) -> None:
        self._fleet, self._interruption = fleet, interruption
        self._quorum, self._may_be_empty = quorum, may_be_empty
        self._log = log
        say = (lambda _: None) if log is None else log.say
        self._repeating = Repeating(fleet, interruption, wait_s, say)
        self._printed: dict[str, Sequence[str]] = {}

    def clients(self) -> Sequence[Client]:
        """Return all clients."""
        return self._fleet.clients()

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train.

        Raises:
            RunFailedError: too few gave an update.
            StoppedError: the task is to stop.
        """
        needed = 0
        if order.cohort or not self._may_be_empty:
            needed = count_quorum(self._quorum, len(order.cohort))
        remembered, turn, why = self._fleet.save(), 0, ""
        reply = self._train_once(order, reducer)
        while is_worth_repeating(reply.results, needed) and not why:
            turn += 1
            why = self._repeating.wait_for(order.round, order.cohort, needed, turn)
            if not why:
                del reply  # what it holds may be as large as the model
                self._fleet.load(remembered)
                reply = self._train_once(order, reducer)
        names = [client.client_id for client in self._fleet.clients()]
        refuse_too_few(order.round, reply.results, needed, names.__getitem__, why)
        return reply

    def _train_once(self, order: Order, reducer: Reducer) -> Reply:
        self._interruption.check()
        reply = self._fleet.train(order, reducer)
        self._interruption.check()
        names = [client.client_id for client in self._fleet.clients()]
        self._tell_printed(order.round, {names[r.client]: r.printed for r in reply.results})
        return reply

    def evaluate(self, weights: Weights) -> Evaluation:
        """Score weights."""
        self._interruption.check()
        found = self._fleet.evaluate(weights)
        self._interruption.check()
        return found

    def cancel(self) -> None:
        """Let a running call return."""
        self._fleet.cancel()

    def close(self) -> None:
        """Do nothing: who made the fleet closes it, and says why."""

    def save(self) -> dict[str, Any]:
        """Return what the fleet remembers."""
        return self._fleet.save()

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `save` returned."""
        self._fleet.load(state)

    def _tell_printed(self, number: int, printed: Mapping[str, Sequence[str]]) -> None:
        """Log what commands printed that failed, each client's once as long as it is the same."""
        news = {n: lines for n, lines in printed.items() if lines and self._printed.get(n) != lines}
        if self._log is None:
            return
        for name, lines in list(news.items())[:_MOST_TOLD]:
            self._printed[name] = lines
            said = "\n".join(f"  | {line}" for line in lines)
            self._log.say(f"round {number}: its command printed at last\n{said}", name)
