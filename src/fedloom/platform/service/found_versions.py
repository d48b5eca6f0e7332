"""Versions that were found a moment ago, so that a burst of tasks asks the registry once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from time import monotonic

from fedloom.platform.registry import Registry, Version, get_version

__all__ = ["FoundVersions"]

_KEPT_S = 1.0
_MOST = 256


class FoundVersions:
    """Looks versions up, each at most once a second; a version that is missing is sought anew.

    Args:
        registry: where they are.
        clock: seconds that only grow.
    """

    def __init__(self, registry: Registry, *, clock: Callable[[], float] = monotonic) -> None:
        self._registry, self._clock = registry, clock
        self._found: OrderedDict[tuple[str, int], tuple[float, Version]] = OrderedDict()
        self._turn = Lock()

    def get(self, name: str, number: int) -> Version:
        """Return a version, as it was at most a second ago; raises as `get_version` does."""
        key = (name, number)
        with self._turn:
            kept = self._found.get(key)
        if kept is not None and self._clock() < kept[0]:
            return kept[1]
        found = get_version(self._registry, name, number)
        with self._turn:
            self._found[key] = (self._clock() + _KEPT_S, found)
            self._found.move_to_end(key)
            if len(self._found) > _MOST:
                self._found.popitem(last=False)
        return found

    def forget(self, name: str, number: int) -> None:
        """Look a version up anew the next time."""
        with self._turn:
            self._found.pop((name, number), None)
