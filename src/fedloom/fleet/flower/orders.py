"""Turning a fleet's orders into letters; what all clients get is made ready once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from fedloom.federation.fleet import Client, Order
from fedloom.federation.weights import Weights, count_bytes
from fedloom.fleet.client_memory import ClientMemory
from fedloom.fleet.flower.codec import UPLOAD, encode, name_order
from fedloom.fleet.flower.depot import Depot
from fedloom.fleet.flower.depot.packages import without_links
from fedloom.fleet.flower.freight import Freight, load
from fedloom.fleet.flower.letters import Letter
from fedloom.fleet.flower.messages import Cancel, Evaluate, Forget, Tempo, Train
from fedloom.fleet.flower.parcel import INSIDE_BYTES, Body, Records, cut, pack
from fedloom.fleet.flower.receipt import Receipt
from fedloom.fleet.flower.roster import Place

__all__ = ["Configure", "Maker", "Orders"]

Maker: TypeAlias = Callable[[int, Place], Letter]
"""From a client and its place to the letter for it."""

Configure: TypeAlias = Callable[[int, Sequence[Client]], Sequence[Mapping[str, Any]]]
"""From a round's number and its clients to what each is told beside the task's settings."""

_LONG_SECONDS = 7 * 24 * 3600.0
"""How long the SuperLink keeps an order without a deadline."""

_SPARE_SECONDS = 1.0
_FAREWELL_SECONDS = 300.0


class _Load:
    """Groups of arrays for one node or many: as records of a message, or beside it.

    Args:
        groups: the arrays.
        depot: that offers them, where they are large; None never does.
        task: with which the offer ends.
    """

    def __init__(self, groups: Mapping[str, Weights], depot: Depot | None, task: str) -> None:
        self._groups, self._task = groups, task
        large = sum(count_bytes(arrays) for arrays in groups.values()) > INSIDE_BYTES
        self._depot = depot if large else None
        self._records: Records | None = None
        self._beside: tuple[str, Freight] | None = None

    @property
    def link(self) -> str:
        """The link under which it is offered, empty where it is not."""
        return "" if self._beside is None else self._beside[0]

    def records(self, place: Place) -> list[Records]:
        """Return what is to be in a message to a place."""
        if self._goes_beside(place):
            return []
        self._records = self._records or cut(self._groups)
        return [self._records]

    def beside(self, place: Place) -> list[tuple[str, Freight]]:
        """Return what a message to a place has beside it, and its link."""
        if self._depot is None or not self._goes_beside(place):
            return []
        if self._beside is None:
            freight = load(self._groups)
            self._beside = self._depot.offer(freight.parts, task=self._task), freight
        return [self._beside]

    def _goes_beside(self, place: Place) -> bool:
        return self._depot is not None and place.inside


class Orders:
    """The letters of a task.

    Args:
        task: its name.
        settings: what every client is told.
        memory: what the algorithm remembers of each client.
        depot: through which large arrays travel; None sends them in messages.

    Attributes:
        number: from a client to the number by which its node derives what it draws.
    """

    number: Callable[[int], int] = staticmethod(int)

    def __init__(
        self,
        task: str,
        settings: Mapping[str, Any],
        memory: ClientMemory,
        depot: Depot | None = None,
    ) -> None:
        self._task, self._settings, self._memory = task, dict(settings), memory
        self._depot = depot
        self._loads: list[_Load] = []
        self._receipts: list[Receipt] = []

    def train(
        self,
        order: Order,
        start: Weights,
        tempo: Tempo,
        limit: int,
        told: Mapping[int, Mapping[str, Any]],
    ) -> Maker:
        """Return what makes a client's order to train.

        Args:
            order: of the round.
            start: the global weights; they must not change before `end`.
            tempo: how often nodes are to look.
            limit: bytes that the arrays of an answer may have.
            told: from a client to what it alone is told.
        """
        groups = {"weights": start}
        if len(order.shared):
            groups["shared"] = list(order.shared)
        common = self._load(groups)

        def make(client: int, place: Place) -> Letter:
            request = Train(
                task=self._task,
                settings=self._settings_for(told.get(client)),
                round=order.round,
                client=self.number(client),
                seed=order.seed,
                local_evaluation=str(order.local_evaluation),
                weights=[],
                client_state=self._memory.recall(client) if self._memory else (),
            )
            own = self._load(encode(request)[1])
            return self._letter(place, request, tempo, order.deadline_s, [common, own], limit)

        return make

    def evaluate(
        self, number: int, weights: Weights, tempo: Tempo, deadline_s: float | None
    ) -> Maker:
        """Return what makes a client's order to score weights after a round."""
        common = self._load({"weights": weights})

        def make(client: int, place: Place) -> Letter:
            request = Evaluate(self._task, self._settings, number, self.number(client), [])
            return self._letter(place, request, tempo, deadline_s, [common])

        return make

    def end(self) -> None:
        """Let the links of all orders so far stand for nothing any more: nobody waits for them."""
        if self._depot is not None:
            for link in filter(None, (load.link for load in self._loads)):
                self._depot.withdraw(link)
        for receipt in self._receipts:
            receipt.withdraw()
        self._loads.clear()
        self._receipts.clear()

    def word(self, places: Sequence[Place], request: Cancel | Forget, tempo: Tempo) -> list[Letter]:
        """Return letters that need no answer."""
        body = pack(encode(request, tempo)[0])
        name = f"{self._task}:end"
        return [
            Letter(p.node_id, request.verb, body, name, _FAREWELL_SECONDS, p.inside) for p in places
        ]

    def _settings_for(self, told: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if not told:
            return self._settings
        return {**self._settings, "settings": {**self._settings.get("settings", {}), **told}}

    def _load(self, groups: Mapping[str, Weights]) -> _Load:
        self._loads.append(_Load(groups, self._depot, self._task))
        return self._loads[-1]

    def _letter(
        self,
        place: Place,
        request: Train | Evaluate,
        tempo: Tempo,
        deadline_s: float | None,
        loads: Sequence[_Load],
        limit: int = 0,
    ) -> Letter:
        """Make an order; one with a limit may be answered over the depot, if that is large."""
        receipt = self._expect(limit) if place.inside and limit > INSIDE_BYTES else None
        header = encode(request, tempo)[0]
        if receipt is not None:
            header[UPLOAD] = {"link": receipt.link, "bytes": limit}
        records = [held for load in loads for held in load.records(place)]
        beside = [held for load in loads for held in load.beside(place)]
        ttl = _LONG_SECONDS if deadline_s is None else deadline_s + _SPARE_SECONDS
        return Letter(
            place.node_id,
            request.verb,
            pack(header, *records, beside=beside),
            name_order(self._task, _identify(request, records, beside).digest),
            ttl,
            place.inside,
            receipt=receipt,
        )

    def _expect(self, limit: int) -> Receipt | None:
        if self._depot is None:
            return None
        self._receipts.append(Receipt(self._depot, self._depot.expect(self._task, limit)))
        return self._receipts[-1]


def _identify(
    request: Train | Evaluate, records: Sequence[Records], beside: Sequence[tuple[str, Freight]]
) -> Body:
    """Return all that decides the answer to an order, which neither tempo nor links do."""
    header = encode(replace(request, settings=without_links(request.settings)))[0]
    return pack(header, *records, beside=[("", freight) for _, freight in beside])
