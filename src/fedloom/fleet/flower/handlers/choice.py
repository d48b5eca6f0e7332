"""Several handlers as one: a task's settings name the trainer."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event

from fedloom.fleet.flower.messages import (
    Answer,
    Describe,
    Description,
    Done,
    Evaluate,
    Failed,
    Forget,
    Request,
    Train,
)
from fedloom.fleet.flower.node.handler import Handler

__all__ = ["ByTrainer"]


class ByTrainer:
    """Gives each task to the handler of its trainer.

    Args:
        name: of the node.
        handlers: by the ``trainer`` of a task's settings.
    """

    def __init__(self, name: str, handlers: Mapping[str, Handler]) -> None:
        self._name, self._handlers = name, dict(handlers)

    def handle(self, request: Request, stop: Event) -> Answer:
        """Pass a request on; see `Handler`."""
        if isinstance(request, Forget):
            for one in self._handlers.values():
                one.handle(request, stop)
            return Done()
        if not isinstance(request, Describe | Train | Evaluate):
            return Failed("rejected", f"no handler is asked {request.verb!r}")
        wanted = str(request.settings.get("trainer"))
        handler = self._handlers.get(wanted)
        if handler is not None:
            return handler.handle(request, stop)
        known = ", ".join(self._handlers)
        reason = f"trainer={wanted}: this node has {known or 'none'}"
        if isinstance(request, Describe):
            return Description(self._name, takes_part=False, reason=reason)
        return Failed("rejected", reason)

    def close(self) -> None:
        """Close all of them."""
        for handler in self._handlers.values():
            handler.close()
