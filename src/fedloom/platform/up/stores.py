"""What API and coordinator both hold: the store, the registry, the broker, the publisher."""

from __future__ import annotations

from dataclasses import dataclass

from fedloom.platform.broker import Broker, Publisher, open_broker
from fedloom.platform.config import PlatformConfig
from fedloom.platform.registry import Registry, open_registry
from fedloom.platform.store import Store, open_store
from fedloom.platform.up.state_folder import StateFolder

__all__ = ["Stores", "open_stores"]


@dataclass(frozen=True)
class Stores:
    """The store, the registry, the broker, and what sends the store's messages.

    Attributes:
        publisher: started; it empties the outbox for all processes of the federation.
    """

    store: Store
    registry: Registry
    broker: Broker
    publisher: Publisher

    def close(self) -> None:
        """Hang up."""
        self.publisher.stop(3.0)
        self.store.close()


def open_stores(config: PlatformConfig, folder: StateFolder) -> Stores:
    """Open all of them; the registry in the background.

    Raises:
        InputError: an address cannot be used.
        ConflictError: the database is of a newer Fedloom.
        LinkError: the database cannot be reached in time.
        OutputError: a file or folder cannot be written.
    """
    broker = open_broker(config.broker_url, prefix=config.broker_prefix)
    wait_s = config.startup_wait_s if config.database_url else 0.0
    registry = open_registry(
        config.registry, artifacts=config.artifacts, cache=folder.registry / "cache"
    )
    store = open_store(config.database, wait_s=wait_s)
    publisher = Publisher(broker, store)
    publisher.start()
    return Stores(store, registry, broker, publisher)
