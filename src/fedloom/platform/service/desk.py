"""What every part of the service works with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fedloom.files import output_errors
from fedloom.platform.broker import Broker, Publisher
from fedloom.platform.identity import Attempts
from fedloom.platform.registry import Registry
from fedloom.platform.service.found_tokens import FoundTokens
from fedloom.platform.service.found_versions import FoundVersions
from fedloom.platform.store import Store

__all__ = ["Desk"]


class Desk:
    """The store, the registry and the way to the broker; the methods of the service share it.

    Args:
        store: tasks, progress, nodes, tokens.
        registry: packages and weights.
        broker: where wake-ups go, to say whether it is there; None where nobody asks.
        publisher: woken when something waits in the outbox; None where another process sends it.
        folder: for what is uploaded, until it is in the registry.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        *,
        broker: Broker | None = None,
        publisher: Publisher | None = None,
        folder: Path,
    ) -> None:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store, self.registry = store, registry
        self.broker, self.publisher = broker, publisher
        self.folder = folder
        self.attempts = Attempts()
        self._tokens = FoundTokens(store)
        self._versions = FoundVersions(registry)

    def _wake(self) -> None:
        """Let what was just written reach the coordinators at once."""
        if self.publisher is not None:
            self.publisher.wake()

    @staticmethod
    def _now() -> datetime:
        return datetime.now(UTC)
