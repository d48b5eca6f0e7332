"""What an algorithm remembers about each client between rounds, kept by the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fedloom.federation.weights import Weights

__all__ = ["ClientMemory"]


class ClientMemory:
    """Client states by client index, in host memory.

    A client that never took part costs nothing: its state is the initial one.

    Args:
        initial: the state of a client that was never seen: a list of arrays, empty for none.
    """

    def __init__(self, initial: Weights) -> None:
        self.initial = [np.asarray(a) for a in initial]
        self._states: dict[int, Weights] = {}

    def __bool__(self) -> bool:
        """Whether there is anything to remember."""
        return bool(self.initial)

    def recall(self, client: int) -> Weights:
        """Return the state of a client."""
        return self._states.get(client, self.initial)

    def remember(self, client: int, state: Weights) -> None:
        """Replace the state of a client."""
        self._states[client] = [np.array(a) for a in state]

    def save(self) -> dict[str, Any]:
        """Return all states as named arrays, for a checkpoint."""
        return {
            f"{client}/{index}": array
            for client, state in sorted(self._states.items())
            for index, array in enumerate(state)
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Take back what `save` returned, in place of what is remembered."""
        found: dict[int, dict[int, Any]] = {}
        for name, array in saved.items():
            client, index = name.split("/")
            found.setdefault(int(client), {})[int(index)] = np.asarray(array)
        self._states = {c: [parts[i] for i in sorted(parts)] for c, parts in found.items()}
