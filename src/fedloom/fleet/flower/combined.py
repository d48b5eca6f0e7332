"""Several Flower fleets as one: each has a SuperLink of its own, and combines its clients' updates.

What a fleet returns is a reducer's state, so the states of all are merged to just that of one
fleet with all the clients. Every client has one number in the whole, which it keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial, reduce
from threading import Event, Lock
from time import monotonic
from typing import Any

from fedloom.errors import InputError, LinkError, RunFailedError
from fedloom.federation.fleet import Client, ClientResult, Evaluation, Failure, Order, Reply
from fedloom.federation.reduce import Reducer, mean_by_examples
from fedloom.federation.weights import Weights
from fedloom.fleet.flower.census import Census
from fedloom.fleet.flower.combiners import Combiners
from fedloom.fleet.flower.fleet import FlowerFleet
from fedloom.fleet.flower.part import Part
from fedloom.fleet.flower.roster import choose_among
from fedloom.fleet.flower.round import refuse_too_few
from fedloom.fleet.package.reports import ClientReport, score_reports

__all__ = ["CombinedFleet"]

_LOOK_SECONDS = 0.1


class CombinedFleet:
    """Clients at several SuperLinks; the calls are those of `FlowerFleet`.

    Not for several threads, but for `cancel`, which any may call. A SuperLink that is away makes
    its clients unavailable; the round goes on without them. The quorum is the first fleet's: its
    minimum counts over all clients, its share and grace over those of each SuperLink.

    Args:
        fleets: of the same task, with the same settings; used by nobody else from now on.

    Raises:
        InputError: there is none, or two are at the same SuperLink.
    """

    def __init__(self, fleets: Sequence[FlowerFleet]) -> None:
        self._fleets = list(fleets)
        addresses = [str(fleet.endpoint) for fleet in fleets]
        if not addresses or len(set(addresses)) < len(addresses):
            raise InputError(f"superlinks={addresses}: at least one, each once, would be right")
        self._census, self._stop = Census(addresses), Event()
        turn = Lock()
        given = [f.join(Part(partial(self._number, n), turn)) for n, f in enumerate(self._fleets)]
        self._quorum, self._turn, self._closed = given[0], turn, False
        self._combiners = Combiners(self._fleets)

    @property
    def run_id(self) -> int:
        """The Flower run at the first SuperLink; see `run_ids`."""
        return self._fleets[0].run_id

    @property
    def run_ids(self) -> list[int]:
        """The Flower run at each SuperLink; 0 where there is none."""
        return [fleet.run_id for fleet in self._fleets]

    @property
    def asking(self) -> bool:
        """Whether nodes that are online have yet to say whether they take part."""
        return any(fleet.asking for fleet in self._fleets)

    def wait_for(self, count: int, within_s: float) -> Sequence[Client]:
        """Wait until so many clients take part at all SuperLinks together, and return all that do.

        Raises:
            RunFailedError: there are fewer after `within_s` seconds.
        """
        until = monotonic() + within_s
        while (found := self._count_present()) < count:
            if monotonic() >= until or self._stop.is_set():
                raise RunFailedError(self._explain_few(found, count, within_s))
            self._stop.wait(_LOOK_SECONDS)
        return self.clients()

    def clients(self) -> Sequence[Client]:
        """Return all clients that were ever found, in the order of their indices."""
        return self._census.settle([fleet.clients() for fleet in self._fleets])

    def online(self) -> list[int]:
        """Return the clients that can train now, ascending."""
        found = self._combiners.on_each(self._combiners.alive(), lambda _, fleet: fleet.online())
        self.clients()
        numbers = [self._census.number_of(n, c) for n, local in found.items() for c in local]
        return sorted(number for number in numbers if number is not None)

    def refusals(self) -> Mapping[str, str]:
        """Return why nodes take no part, by their names."""
        said = {name: why for f in self._fleets for name, why in f.refusals().items()}
        return said | self._census.refusals()

    def attributes(self, client: int) -> Mapping[str, Any]:
        """Return what a client says of itself beside its size."""
        seat = self._census.seat_of(client)
        return {} if seat.fleet < 0 else self._fleets[seat.fleet].attributes(seat.client)

    def choose(self, seed: int, cohort: int) -> Callable[[int, Sequence[Client]], Sequence[int]]:
        """Return a choice of cohorts among those online, for `LoopSettings.choose`."""
        return choose_among(self.online, seed, cohort)

    def train(self, order: Order, reducer: Reducer) -> Reply:
        """Let the cohort train at all SuperLinks at once; see `FlowerFleet.train`.

        Raises:
            RunFailedError: fewer clients than the quorum's minimum gave an update.
            LinkError: no SuperLink with clients of the cohort could be reached.
        """
        self._stop.clear()
        orders = {n: self._cut(order, n) for n in range(len(self._fleets))}
        errors: dict[int, LinkError] = {}
        replies = self._combiners.on_each(
            self._combiners.alive(errors), lambda n, fleet: fleet.train(orders[n], reducer), errors
        )
        self._refuse_outage(orders, replies, errors)
        results = self._gather(order, replies, errors)
        if not self._stop.is_set():
            names = [client.client_id for client in self.clients()]
            refuse_too_few(order, self._quorum, results, names.__getitem__)
        return _merge(order, reducer, list(replies.values()), results)

    def evaluate(self, weights: Weights) -> Evaluation:
        """Score weights: in this process, or by all clients, each weighted by its rows."""
        scorer = self._fleets[0].scorer
        if scorer is not None:
            return scorer(weights)
        accepted = {n: fleet.accepted() for n, fleet in enumerate(self._fleets)}
        nobody = not any(accepted.values())

        def ask(number: int, fleet: FlowerFleet) -> Mapping[int, ClientReport]:
            asked = fleet.online() if nobody else accepted[number]
            known = [c for c in asked if self._census.number_of(number, c) is not None]
            return fleet.ask_scores(weights, known)

        reports = self._combiners.on_each(self._combiners.alive(), ask)
        return score_reports(self._sort([r for by in reports.values() for r in by.values()]))

    def take_reports(self) -> list[ClientReport]:
        """Return what the clients of the last round reported, in their order, and forget it."""
        return self._sort([report for fleet in self._fleets for report in fleet.take_reports()])

    def cancel(self) -> None:
        """Let a running `train` or `evaluate` return; the nodes of all SuperLinks are told."""
        self._stop.set()
        for fleet in self._fleets:
            fleet.cancel()

    def close(self, failure: str = "") -> None:
        """Tell all nodes that the task is over, and end the Flower runs.

        Args:
            failure: why the task failed, if it did; one line.
        """
        self._stop.set()
        if self._closed:
            return
        self._closed = True
        everyone = range(len(self._fleets))
        try:
            self._combiners.on_each(everyone, lambda _, fleet: fleet.close(failure), {})
        finally:
            self._combiners.close()

    def save(self) -> dict[str, Any]:
        """Return the clients of all fleets, and what is remembered of them."""
        parts = {str(n): fleet.save() for n, fleet in enumerate(self._fleets)}
        parts["census"] = self._census.save()
        return {f"{place}/{n}": array for place, part in parts.items() for n, array in part.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `save` returned, also where the SuperLinks come in another order."""
        parts: dict[str, dict[str, Any]] = {"census": {}}
        for name, array in state.items():
            place, _, rest = name.partition("/")
            parts.setdefault(place, {})[rest] = array
        if not parts["census"]:
            return
        for saved, number in self._census.places_of(parts["census"]).items():
            self._fleets[number].load(parts.get(str(saved), {}))
        self._census.load(parts["census"])

    def _number(self, fleet: int, client: int) -> int:
        """Return the number of a fleet's client that is in a cohort, and so has one."""
        number = self._census.number_of(fleet, client)
        if number is None:
            raise LookupError(f"client {client} of fleet {fleet} has no number")
        return number

    def _sort(self, reports: Sequence[ClientReport]) -> list[ClientReport]:
        places = {client.client_id: client.index for client in self.clients()}
        return sorted(reports, key=lambda report: places[report.client_id])

    def _cut(self, order: Order, fleet: int) -> Order:
        """Return a fleet's part of an order."""
        seats = [self._census.seat_of(client) for client in order.cohort]
        sink = order.sink

        def store(client: int, weights: Weights) -> None:
            with self._turn:
                assert sink is not None
                sink(self._number(fleet, client), weights)

        cohort = [seat.client for seat in seats if seat.fleet == fleet]
        return replace(order, cohort=cohort, sink=None if sink is None else store)

    def _refuse_outage(
        self,
        orders: Mapping[int, Order],
        replies: Mapping[int, Reply],
        errors: Mapping[int, LinkError],
    ) -> None:
        """Raise where no SuperLink with clients of the cohort stayed long enough for an update."""
        found = dict(errors)
        for number, reply in replies.items():
            outage = self._fleets[number].outage
            if outage is not None and all(result.failure for result in reply.results):
                found[number] = outage
        asked = {n for n, part in orders.items() if part.cohort}
        if asked and asked <= found.keys() and not self._stop.is_set():
            raise found[min(asked)]

    def _gather(
        self,
        order: Order,
        replies: Mapping[int, Reply],
        errors: Mapping[int, LinkError],
    ) -> dict[int, ClientResult]:
        """Return the results of all clients of the cohort, in its order."""
        found = {
            self._number(n, r.client): replace(r, client=self._number(n, r.client))
            for n, reply in replies.items()
            for r in reply.results
        }
        for client in (c for c in order.cohort if c not in found):
            fleet = self._census.seat_of(client).fleet
            why = str(errors.get(fleet, "its SuperLink is no part of the federation any more"))
            found[client] = ClientResult(client, Failure.UNAVAILABLE, why)
            self._fleets[max(0, fleet)].tell(found[client])
        return {client: found[client] for client in order.cohort}

    def _count_present(self) -> int:
        return sum(
            self._combiners.on_each(
                self._combiners.alive(), lambda _, fleet: fleet.present()
            ).values()
        )

    def _explain_few(self, found: int, count: int, within_s: float) -> str:
        refused = "; ".join(f"{name}: {why}" for name, why in self.refusals().items())
        return (
            f"{found} of {count} clients take part at {len(self._fleets)} SuperLinks after "
            f"{within_s:g} s{'; ' + refused if refused else ''}; start more nodes or ask for fewer "
            "clients"
        )


def _merge(
    order: Order, reducer: Reducer, replies: Sequence[Reply], results: Mapping[int, ClientResult]
) -> Reply:
    """Join what the fleets folded, in their order, so that it does not depend on who was first."""
    states = [reply.state for reply in replies] or [reducer.init(order.weights)]
    drifts = [reply.drift for reply in replies if len(reply.drift)]
    return Reply(
        state=reduce(reducer.merge, states),
        results=list(results.values()),
        drift=reduce(mean_by_examples().merge, drifts) if drifts else (),
        evaluate_seconds=max((reply.evaluate_seconds for reply in replies), default=0.0),
        store_seconds=sum(reply.store_seconds for reply in replies),
    )
