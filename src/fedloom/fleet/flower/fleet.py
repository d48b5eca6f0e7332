"""The Flower fleet: clients on other machines; see `fedloom.federation.fleet.Fleet` for the calls.

The coordinator holds a Flower run of its own and sends orders as messages. Updates are folded as
they arrive, one in memory at a time. A node that dies, hangs or answers nonsense is that client's
failure, and the round goes on without it; one that joins late is among the clients from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Event
from time import monotonic
from typing import Any

import numpy as np

from fedloom.errors import LinkError, RunFailedError
from fedloom.federation.fleet import Client, ClientResult, Evaluation, Order, Reply
from fedloom.federation.reduce import Reducer
from fedloom.federation.weights import Weights, count_bytes
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower.channel import Channel
from fedloom.fleet.flower.depot import Depot
from fedloom.fleet.flower.discovery import Discovery
from fedloom.fleet.flower.endpoint import Endpoint
from fedloom.fleet.flower.errands import Errand, Errands
from fedloom.fleet.flower.fold import Fold
from fedloom.fleet.flower.letters import Patience
from fedloom.fleet.flower.messages import Evaluate, Train
from fedloom.fleet.flower.orders import Configure, Orders
from fedloom.fleet.flower.part import Part
from fedloom.fleet.flower.post import Post
from fedloom.fleet.flower.registered import Registered
from fedloom.fleet.flower.results import Results
from fedloom.fleet.flower.roster import Roster, choose_among
from fedloom.fleet.flower.round import Quorum, refuse_too_few, until_in
from fedloom.fleet.flower.scores import Scores
from fedloom.fleet.package.reports import ClientReport

__all__ = ["FlowerFleet"]

_LOGGER = logging.getLogger(__name__)

_LOOK_SECONDS = 0.1
_TIMES = 4
"""What a client answers may be so many times the size of what it was sent."""


class FlowerFleet:
    """Clients that are nodes of a Flower federation.

    Not for several threads, but for `cancel`, which any may call.

    Args:
        endpoint: of the SuperLink.
        secret: its SuperExec secret.
        task: name of the task; a coordinator that goes on with it uses the same.
        settings: what every client is told; the nodes' handlers understand it. As JSON holds it.
        memory: what the algorithm remembers of each client; empty where it remembers nothing.
        scorer: scores weights in this process; None lets the clients do it.
        quorum: who is waited for.
        patience: how long is waited for what.
        observer: called with each client's result as soon as it is known.
        names: registered names with their keys; who goes by another's takes no part.
        depot: through which large arrays travel; None sends them in messages.
        configure: tells each client of a round something of its own; None tells them nothing.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        secret: bytes,
        task: str,
        settings: Mapping[str, Any],
        *,
        memory: ClientMemory | None = None,
        scorer: Callable[[Weights], Evaluation] | None = None,
        quorum: Quorum | None = None,
        patience: Patience | None = None,
        observer: Callable[[ClientResult], None] = lambda _: None,
        names: Registered | None = None,
        depot: Depot | None = None,
        configure: Configure | None = None,
    ) -> None:
        self._task, self._settings = task, dict(settings)
        self._memory, self._scorer = memory or ClientMemory([]), scorer
        self._stop, self._roster = Event(), Roster(names)
        self._scores, self._endpoint = Scores(self._roster), endpoint
        self._results = Results(self._roster, observer)
        self._post = Post(
            lambda: Channel(endpoint, secret), task, patience or Patience(), self._stop
        )
        self._depot, self._configure = depot, configure
        self._orders = Orders(task, self._settings, self._memory, depot)
        self._discovery = Discovery(self._post, self._roster, task, self._settings)
        self._errands = Errands(
            task,
            self._post,
            self._roster,
            self._orders,
            self._discovery,
            self._results,
            self._stop,
        )
        self._errands.quorum = quorum or Quorum()
        self._deadline_s: float | None = None

    @property
    def run_id(self) -> int:
        """The Flower run; another one after a long outage."""
        return self._post.run_id

    @property
    def endpoint(self) -> Endpoint:
        """Where its SuperLink is."""
        return self._endpoint

    @property
    def scorer(self) -> Callable[[Weights], Evaluation] | None:
        """What scores weights in this process; None where the clients do."""
        return self._scorer

    def join(self, part: Part) -> Quorum:
        """Be a part of a larger fleet from now on; return what that has to see to: the quorum.

        Clients get their numbers of the larger fleet wherever something depends on these, and an
        outage of the SuperLink in a round counts as that of its clients.
        """
        given, self._results.part, self._orders.number = self._errands.quorum, part, part.number
        self._errands.quorum = replace(given, minimum=0)
        return given

    @property
    def outage(self) -> LinkError | None:
        """Why the last round ended without its SuperLink; for the larger fleet."""
        return self._errands.outage

    def tell(self, result: ClientResult) -> None:
        """Let the observer know of a result of the larger fleet."""
        self._results.tell(result)

    def present(self) -> int:
        """Look who is online; return how many take part, with those that have no index yet."""
        self._look_around()
        return self._roster.present()

    def wait_for(self, count: int, within_s: float) -> Sequence[Client]:
        """Wait until so many clients take part, and return all that do.

        Raises:
            RunFailedError: there are fewer after `within_s` seconds; the message says who there is
                and why others take no part.
        """
        until = monotonic() + within_s
        while self._roster.present() < count:
            if monotonic() >= until or self._stop.is_set():
                raise RunFailedError(self._roster.explain_few(count, within_s))
            self._look_around()
            self._stop.wait(_LOOK_SECONDS)
        self._roster.settle()
        return list(self._roster.clients)

    def clients(self) -> Sequence[Client]:
        """Return all clients that were ever found, in the order of their indices."""
        self._roster.settle()
        return list(self._roster.clients)

    def online(self) -> list[int]:
        """Return the clients that can train now, ascending."""
        self._look_around()
        return self._roster.online()

    @property
    def asking(self) -> bool:
        """Whether nodes that are online have yet to say whether they take part."""
        return self._discovery.asking

    def refusals(self) -> Mapping[str, str]:
        """Return why nodes take no part, by their names."""
        return self._roster.refusals()

    def attributes(self, client: int) -> Mapping[str, Any]:
        """Return what a client says of itself beside its size."""
        return self._roster.attributes(client)

    def choose(self, seed: int, cohort: int) -> Callable[[int, Sequence[Client]], Sequence[int]]:
        """Return a choice of cohorts among those online, for `LoopSettings.choose`."""
        return choose_among(self.online, seed, cohort)

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train and fold its updates as they arrive; see `Fleet.train`.

        Raises:
            RunFailedError: fewer clients than the quorum's minimum gave an update.
            LinkError: the SuperLink stayed away for too long.
        """
        self._stop.clear()
        self._errands.outage = None
        self._results.round, self._deadline_s = order.round, order.deadline_s
        self._scores.take()
        until = until_in(order.deadline_s)
        self._discovery.refresh()
        fold = Fold(order, reducer, self._memory)
        results: dict[int, ClientResult] = {}

        def take(client: int, answer: Any) -> None:
            self._results.note(results, fold.take(client, answer))
            if results[client].failure is None:
                self._scores.trained(client, answer)

        limit = _TIMES * (count_bytes(fold.start) + count_bytes(self._memory.initial))
        maker = self._orders.train(
            order, fold.start, self._post.tempo, limit, self._tell_each(order)
        )
        self._errands.run(Errand(Train.verb, maker, until, take, limit), order.cohort, results)
        if not self._stop.is_set():
            refuse_too_few(order, self._errands.quorum, results, self._results.name)
        return fold.reply([results[client] for client in order.cohort])

    def _tell_each(self, order: Order) -> Mapping[int, Mapping[str, Any]]:
        """Return what each client of a round is told beside the task's settings."""
        if self._configure is None or not order.cohort:
            return {}
        cohort = [self._roster.clients[client] for client in order.cohort]
        known = [replace(client, index=self._orders.number(client.index)) for client in cohort]
        told = self._configure(order.round, known)
        return dict(zip(order.cohort, told, strict=True))

    def evaluate(self, weights: Weights) -> Evaluation:
        """Score weights: in this process, or by the clients, weighted by rows."""
        if self._scorer is not None:
            return self._scorer(weights)
        self.ask_scores(weights, self._scores.clients() or self.online())
        return self._scores.mean()

    def accepted(self) -> list[int]:
        """Return whose updates of the last round were accepted, ascending."""
        return self._scores.clients()

    def ask_scores(self, weights: Weights, asked: Sequence[int]) -> Mapping[int, ClientReport]:
        """Let clients score weights; return the reports of all that said something, by client."""
        self._stop.clear()
        start = [np.asarray(w) for w in weights]
        number, deadline_s = self._results.round, self._deadline_s
        maker = self._orders.evaluate(number, start, self._post.tempo, deadline_s)
        errand = Errand(Evaluate.verb, maker, until_in(deadline_s), self._scores.evaluated)
        self._errands.run(errand, asked, {})
        return self._scores.reports()

    def take_reports(self) -> list[ClientReport]:
        """Return what the clients of the last round reported, in their order, and forget it."""
        return self._scores.take()

    def cancel(self) -> None:
        """Let a running `train` or `evaluate` return; the nodes are told to stop."""
        self._stop.set()

    def close(self, failure: str = "") -> None:
        """Tell the nodes that the task is over, and end the Flower run.

        Args:
            failure: why the task failed, if it did; one line.
        """
        self._stop.set()
        try:
            self._errands.say_farewell()
        except LinkError as error:
            _LOGGER.warning("the nodes could not be told that %s is over: %s", self._task, error)
        self._post.close(failure)
        if self._depot is not None:
            self._depot.drop(self._task)

    def save(self) -> dict[str, Any]:
        """Return the clients, and what is remembered of them."""
        parts = {"memory": self._memory.save(), "roster": self._roster.save()}
        return {f"{kind}/{n}": array for kind, part in parts.items() for n, array in part.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `save` returned."""
        parts: dict[str, dict[str, Any]] = {"memory": {}, "roster": {}}
        for name, array in state.items():
            kind, _, rest = name.partition("/")
            parts[kind][rest] = array
        self._memory.load(parts["memory"])
        if parts["roster"]:
            self._roster.load(parts["roster"])

    def _look_around(self) -> None:
        """Look who is online, and hear what those say that were asked."""
        self._discovery.refresh()
        if self._discovery.asking:
            for said in self._post.look(limit=0):
                self._discovery.take(*said)
