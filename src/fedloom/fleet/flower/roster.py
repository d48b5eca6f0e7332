"""Who is in the federation: nodes that were asked, take part, and are online."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, TypeVar

import numpy as np

from fedloom.federation.fleet import Client
from fedloom.federation.select import choose_cohort
from fedloom.fleet.flower.channel import NodeSeen
from fedloom.fleet.flower.messages import Description
from fedloom.fleet.flower.registered import Registered, find_name_fault

__all__ = ["Place", "Roster", "choose_among", "sort_naturally"]

_Named = TypeVar("_Named")

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Known:
    """A node that answered: its description, and the start of it that we know."""

    seen: NodeSeen
    description: Description


@dataclass(frozen=True)
class Place:
    """Where a client is: its node, and whether that takes records inside of messages."""

    node_id: int
    inside: bool


class Roster:
    """The clients of a task, each with an index that it keeps.

    A client is known by its key: whoever comes with the name of another is turned away.

    Args:
        names: registered names with their keys; nobody else may go by them.
        clock: gives seconds.
    """

    def __init__(
        self, names: Registered | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._names: Registered = names or dict
        self._clock, self._seen_at = clock, dict[str, float]()
        self.clients: list[Client] = []
        self._keys: list[str] = []
        self._known: dict[str, _Known] = {}
        self._online: dict[str, NodeSeen] = {}
        self._new: list[str] = []

    def see(self, nodes: Sequence[NodeSeen], grace_s: float = 0.0) -> list[NodeSeen]:
        """Note who is online; return those that have to be asked who they are.

        Args:
            nodes: that give signs of life in time.
            grace_s: seconds in which those count as online that did so before.
        """
        now = self._clock()
        late = {k: n for k, n in self._online.items() if now - self._seen_at[k] < grace_s}
        self._online = late | {node.key: node for node in nodes}
        self._seen_at = {key: self._seen_at[key] for key in late}
        self._seen_at |= {node.key: now for node in nodes}
        known = {key: found.seen for key, found in self._known.items()}
        return [n for n in nodes if n.key not in known or known[n.key].since != n.since]

    def hear(self, seen: NodeSeen, description: Description) -> None:
        """Note what a node says of itself."""
        fault = self._find_fault(seen.key, description)
        if fault:
            level = logging.WARNING if description.takes_part else logging.INFO
            _LOGGER.log(level, "node %s takes no part: %s", description.name, fault)
            description = replace(description, takes_part=False, reason=fault)
        self._known[seen.key] = _Known(seen, description)
        if seen.key in self._keys:
            index = self._keys.index(seen.key)
            if description.num_examples:
                self.resize(index, description.num_examples)
        elif description.takes_part and seen.key not in self._new:
            self._new.append(seen.key)

    def settle(self) -> None:
        """Give those that are new an index, in the order of their names."""
        for key in sort_naturally(self._new, lambda k: self._known[k].description.name):
            said = self._known[key].description
            self.clients.append(Client(len(self.clients), said.name, said.num_examples))
            self._keys.append(key)
        self._new.clear()

    def place_of(self, index: int) -> Place | None:
        """Return where a client is, or None where it is offline or takes no part."""
        key = self._keys[index]
        known = self._known.get(key)
        if key not in self._online or known is None or not known.description.takes_part:
            return None
        return Place(self._online[key].node_id, known.description.inside)

    def online(self) -> list[int]:
        """Return the clients that can be asked, ascending."""
        return [c.index for c in self.clients if self.place_of(c.index) is not None]

    def present(self) -> int:
        """Return how many take part and are online, with those that have no index yet."""
        takes = {key for key, known in self._known.items() if known.description.takes_part}
        return len(takes & self._online.keys())

    def refusals(self) -> dict[str, str]:
        """Return why nodes that are online take no part, by their names."""
        said = [known.description for key, known in self._known.items() if key in self._online]
        return {d.name: d.reason for d in said if not d.takes_part}

    def explain_few(self, count: int, within_s: float) -> str:
        """Return why a task cannot begin."""
        refused = "; ".join(f"{name}: {why}" for name, why in self.refusals().items())
        return (
            f"{self.present()} of {count} clients take part after {within_s:g} s"
            f"{'; ' + refused if refused else ''}; start more nodes or ask for fewer clients"
        )

    def attributes(self, index: int) -> Mapping[str, Any]:
        """Return what a client says of itself beside its size."""
        known = self._known.get(self._keys[index])
        return {} if known is None else known.description.attributes

    def resize(self, index: int, num_examples: int) -> None:
        """Note how many rows a client has."""
        self.clients[index] = replace(self.clients[index], num_examples=num_examples)

    def save(self) -> dict[str, Any]:
        """Return the clients as named arrays."""
        return {
            "names": np.array([c.client_id for c in self.clients], np.str_),
            "keys": np.array(self._keys, np.str_),
            "num_examples": np.array([c.num_examples for c in self.clients], np.int64),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take back what `save` returned; whoever was found meanwhile comes after them."""
        parts = zip(state["names"], state["keys"], state["num_examples"], strict=True)
        saved = [(str(name), str(key), int(count)) for name, key, count in parts]
        found = [key for key in [*self._keys, *self._new] if key not in {k for _, k, _ in saved}]
        self.clients = [Client(i, name, count) for i, (name, _, count) in enumerate(saved)]
        self._keys = [key for _, key, _ in saved]
        self._new = found
        self.settle()

    def _find_fault(self, key: str, said: Description) -> str:
        if not said.takes_part:
            return said.reason or "it does not say why"
        count = said.num_examples
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            return f"num_examples={count!r}: a whole number would be right"
        if fault := find_name_fault(said.name, key, self._names()):
            return fault
        others = [k for k, known in self._known.items() if known.description.takes_part]
        taken = {self._known[k].description.name for k in others if k != key}
        taken |= {c.client_id for c, k in zip(self.clients, self._keys, strict=True) if k != key}
        if said.name in taken:
            return f"another node is called {said.name!r}; give each its own name"
        return ""


def choose_among(
    online: Callable[[], Sequence[int]], seed: int, cohort: int
) -> Callable[[int, Sequence[Client]], Sequence[int]]:
    """Return a choice of cohorts among the clients that are online when a round begins."""

    def choose(number: int, _: Sequence[Client]) -> Sequence[int]:
        found = online()
        if not found:
            return []
        chosen = choose_cohort(seed, number, len(found), min(cohort, len(found)))
        return [found[place] for place in chosen]

    return choose


def sort_naturally(given: Sequence[_Named], name: Callable[[_Named], str]) -> list[_Named]:
    """Return what has names in the order of these, client_2 before client_10."""
    return sorted(given, key=lambda one: _natural(name(one)))


def _natural(name: str) -> list[tuple[int, str]]:
    """Return a key that puts client_2 before client_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]
