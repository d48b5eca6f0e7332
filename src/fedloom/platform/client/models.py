"""Training Fedloom's own models on a node's data; no code of others runs."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from fedloom.fleet.flower.messages import Answer, Done, Evaluate, Failed, Forget, Request, Train
from fedloom.platform.client.datasets import DataShelf

if TYPE_CHECKING:
    from fedloom.data.dataset import Dataset
    from fedloom.fleet.flower.handlers import KerasHandler

__all__ = ["ModelHandler"]


class ModelHandler:
    """A `KerasHandler` for each use case, made when it is first needed; see `Handler`.

    Args:
        name: of the node.
        shelf: its data.
    """

    def __init__(self, name: str, shelf: DataShelf) -> None:
        self._name, self._shelf = name, shelf
        self._handlers: dict[str, tuple[Dataset, KerasHandler]] = {}
        self._lock = Lock()

    def handle(self, request: Request, stop: Event) -> Answer:
        """Carry out one request.

        Raises:
            InputError: there are no data for it, or they cannot be read.
        """
        if isinstance(request, Forget):
            for _, handler in list(self._handlers.values()):
                handler.handle(request, stop)
            return Done()
        if isinstance(request, Train | Evaluate):
            return self._find(request.settings).handle(request, stop)
        return Failed("rejected", f"nobody asks a model to {request.verb!r}")

    def close(self) -> None:
        """Drop all models."""
        for _, handler in self._handlers.values():
            handler.close()
        self._handlers.clear()

    def _find(self, settings: Mapping[str, Any]) -> KerasHandler:
        """Return the handler of a use case, a new one if its data changed."""
        from fedloom.fleet.flower.handlers import KerasHandler

        use_case = str(settings.get("use_case"))
        dataset = self._shelf.load(use_case)
        with self._lock:
            kept = self._handlers.get(use_case)
            if kept is None or kept[0] is not dataset:
                kept = (dataset, KerasHandler(self._name, {use_case: dataset}))
                self._handlers[use_case] = kept
            return kept[1]
